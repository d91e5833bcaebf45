import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds a tick of `/proc/<pid>/stat`: USER_HZ, 100 on every Linux there is. */
const TICK_MS = 10;

/**
 * CPU time that a process and everything below it has used so far, in milliseconds; undefined where there is no
 * `/proc`. On a machine whose cores are shared with the load generator it says more than requests a second.
 */
export function cpuMs(pid: number): number | undefined {
  const own = readStat(pid);
  if (!own) return undefined;
  let total = own.cpuMs;
  for (const child of childrenOf(pid)) total += cpuMs(child) ?? 0;
  return total;
}

function childrenOf(parent: number): number[] {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return processes.map(Number).filter((pid) => readStat(pid)?.parent === parent);
}

function readStat(pid: number): { readonly parent: number; readonly cpuMs: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in brackets, which may hold anything; fields are counted from behind it (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
  } catch {
    return undefined;
  }
}
