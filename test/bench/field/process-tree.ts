/**
 * Ends a server with everything that it started. Its process group is not enough: Ray puts its workers into groups and
 * sessions of their own, so the tree is read before the first signal, while every child still hangs on its parent.
 */
import { type ChildProcess, execFileSync } from "node:child_process";
import { until } from "../../support/until.ts";

const GRACE_MS = 5_000;
const KILLED_WITHIN_MS = 10_000;

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** With the pid it names one process for good: a pid alone is given out again. */
  readonly startedAt: string;
}

/**
 * SIGTERM to the root, then SIGKILL to what is left.
 *
 * @param root a child that was started as the leader of its own process group
 * @throws Error when a process of the tree outlives SIGKILL
 */
export async function endTree(root: ChildProcess, graceMs = GRACE_MS): Promise<void> {
  if (root.pid === undefined) return;
  const tree = treeOf(root.pid, processTable());
  root.kill("SIGTERM");
  await until("the server to end", () => living(tree).length === 0, graceMs).catch(() => undefined);
  const left = living(tree);
  // Some may have been started while the tree ended.
  for (const { pid } of left) for (const row of treeOf(pid, processTable())) kill(row);
  await until("the server's processes to be gone", () => living(tree).length === 0, KILLED_WITHIN_MS);
}

/** Ends the tree within this call, for a bench that is itself being ended. */
export function killTree(root: ChildProcess): void {
  if (root.pid !== undefined) for (const row of treeOf(root.pid, processTable())) kill(row);
}

/** The root, its group, and what descends from either. */
export function treeOf(root: number, table: readonly ProcessRow[]): readonly ProcessRow[] {
  const pids = new Set([root]);
  for (let before = 0; before !== pids.size; ) {
    before = pids.size;
    for (const { pid, parent, group } of table) if (pids.has(parent) || group === root) pids.add(pid);
  }
  return table.filter(({ pid }) => pids.has(pid));
}

function living(tree: readonly ProcessRow[]): ProcessRow[] {
  const startOf = new Map(processTable().map(({ pid, startedAt }) => [pid, startedAt]));
  return tree.filter(({ pid, startedAt }) => startOf.get(pid) === startedAt);
}

/** Without zombies: one that its new parent does not reap is over all the same. */
function processTable(): ProcessRow[] {
  const text = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid=,stat=,lstart="], { encoding: "utf8" });
  return text.split("\n").flatMap((line) => {
    const [pid, parent, group, state, ...startedAt] = line.trim().split(/\s+/);
    if (state === undefined || state.startsWith("Z")) return [];
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), startedAt: startedAt.join(" ") }];
  });
}

function kill({ pid }: ProcessRow): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
}
