/** Which processes a pool has left on this machine, as Linux tells it. */
import { readdirSync, readFileSync } from "node:fs";

export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/**
 * Those whose environment holds a variable with that value, wherever they hang by now. With `TMPDIR` that is whatever a pool has started:
 * the processes in which it tries models are given little of its environment, but this.
 */
export function processesWith(variable: string, value: string): RunningProcess[] {
  return allPids().flatMap((pid) => {
    const environment = read(`/proc/${pid}/environ`)?.split("\0") ?? [];
    if (!environment.includes(`${variable}=${value}`)) return [];
    const parent = parentOf(pid);
    const command = commandOf(pid);
    return parent === undefined ? [] : [{ pid, parent, command }];
  });
}

/** Those of them that no chain of parents leads from to the root, which has lost them. */
export function strays(processes: readonly RunningProcess[], root: number): RunningProcess[] {
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const belongs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || belongs(parents.get(pid)));
  return processes.filter(({ pid }) => !belongs(pid));
}

/**
 * Those that run a program of their own. One that has just been forked is a copy of its parent, which waits for it to become
 * another one: whoever stops it then stops both.
 */
export function childrenOf(parent: number): number[] {
  const command = commandOf(parent);
  return allPids().filter((pid) => parentOf(pid) === parent && commandOf(pid) !== command);
}

/** How many file descriptors a process has open. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function allPids(): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
}

/** Undefined of one that has ended, even if nobody has fetched its exit status yet. */
function parentOf(pid: number): number | undefined {
  const [, state, parent] = /^\d+ \(.*\) (\S) (\d+)/s.exec(read(`/proc/${pid}/stat`) ?? "") ?? [];
  return state === undefined || state === "Z" || state === "X" ? undefined : Number(parent);
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`)?.split("\0").join(" ").trim() ?? "";
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
