/** Memory of processes on this machine, as Linux tells it. */
import { readdirSync, readFileSync } from "node:fs";

/** Resident bytes; undefined where there is no such process, or no `/proc`. */
export function residentBytes(pid: number): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

/** Processes of that name that this one has started, the newest last. */
export function ownChildren(name: string): number[] {
  const all = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return all.map(Number).filter((pid) => {
    const status = read(`/proc/${pid}/status`) ?? "";
    return status.startsWith(`Name:\t${name}\n`) && status.includes(`\nPPid:\t${process.pid}\n`);
  });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
