import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds a tick of `/proc/stat` and `/proc/<pid>/stat`: USER_HZ, 100 on every Linux there is. */
const TICK_MS = 10;

/**
 * CPU time that a process and everything below it has used so far, also what has ended and been waited for, in
 * milliseconds; undefined where there is no `/proc`. On a machine whose cores are shared with the load generator it says
 * more than requests a second.
 */
export function cpuMs(pid: number): number | undefined {
  const own = readStat(pid);
  if (!own) return undefined;
  let total = own.cpuMs;
  for (const child of childrenOf(pid)) total += cpuMs(child) ?? 0;
  return total;
}

/**
 * Watches how much of the machine is used by others: what they take, the subjects do not get, and an overload figure says
 * nothing about a server that was not let run.
 *
 * @returns asks for the cores that others have used on average since, the hypervisor's other guests among them; undefined
 * where there is no `/proc`
 */
export function watchOthers(): () => number | undefined {
  const before = othersCpuMs();
  const startedAt = performance.now();
  return () => {
    const after = othersCpuMs();
    if (before === undefined || after === undefined) return undefined;
    return Math.max(0, (after - before) / (performance.now() - startedAt));
  };
}

function othersCpuMs(): number | undefined {
  const own = cpuMs(process.pid);
  if (own === undefined) return undefined;
  // cpu  user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); guests are within user.
  const [, user, nice, system, , , irq, softirq, steal] =
    readFileSync("/proc/stat", "utf8").split("\n", 1)[0]?.split(/ +/) ?? [];
  const busy = [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks), 0);
  return busy * TICK_MS - own;
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
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: Number(fields[1]), cpuMs: ticks * TICK_MS };
  } catch {
    return undefined;
  }
}
