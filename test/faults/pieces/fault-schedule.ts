/**
 * What happens to which node and when, drawn from a seed: the same seed, nodes and times give the same schedule.
 *
 *     const planned = schedule(42, ["a", "b", "c"], 60_000);
 *     console.log(scheduleText(42, planned));
 *
 * Promises: a node is in one trouble at a time, at most `mostAtOnce` nodes are in any, each trouble is ended by `resume` after
 * `pause` and by `heal` after all others, and everything is ended before the time is over. A node that was killed or terminated is
 * healed by being there again, whoever has started it.
 */
import { seededRandom } from "../../bench/arrivals.ts";

const TROUBLES = ["kill", "pause", "slow", "partition", "terminate"] as const;
export type Trouble = (typeof TROUBLES)[number];
export type FaultAction = Trouble | "resume" | "heal";

export interface ScheduledFault {
  /** Since the start, in whole milliseconds. */
  readonly at: number;
  readonly node: string;
  readonly action: FaultAction;
}

/** Mean time between the end of a trouble and the next one of the same turn. */
const CALM_MS = 3_000;
/** From less than the edge needs to notice (3 s) to more. */
const SHORTEST_TROUBLE_MS = 250;
const LONGEST_TROUBLE_MS = 6_000;

/**
 * @param mostAtOnce nodes that may be in trouble at one moment
 * @returns in the order of time; at one moment what ends a trouble comes before what begins one
 */
export function schedule(
  seed: number,
  nodes: readonly string[],
  durationMs: number,
  mostAtOnce = 1,
): readonly ScheduledFault[] {
  const random = seededRandom(seed);
  const calmMs = () => Math.ceil(-Math.log(1 - random()) * CALM_MS);
  /** Each takes one node at a time; when it may take the next one. */
  const turns = Array.from({ length: Math.min(mostAtOnce, nodes.length) }, calmMs);
  const wellFrom = new Map(nodes.map((node) => [node, 0]));
  const planned: ScheduledFault[] = [];
  for (;;) {
    const at = Math.min(...turns);
    const longestMs = Math.min(LONGEST_TROUBLE_MS, durationMs - at);
    if (!(longestMs >= SHORTEST_TROUBLE_MS)) break;
    const well = nodes.filter((node) => (wellFrom.get(node) ?? 0) <= at);
    const node = pick(well, random);
    const action = pick(TROUBLES, random);
    if (node === undefined || action === undefined) break;
    const endsAt = at + SHORTEST_TROUBLE_MS + Math.floor(random() * (longestMs - SHORTEST_TROUBLE_MS + 1));
    planned.push({ at, node, action }, { at: endsAt, node, action: action === "pause" ? "resume" : "heal" });
    wellFrom.set(node, endsAt);
    turns[turns.indexOf(at)] = endsAt + calmMs();
  }
  return planned.sort((a, b) => a.at - b.at || Number(isTrouble(a.action)) - Number(isTrouble(b.action)));
}

export function isTrouble(action: FaultAction): action is Trouble {
  return action !== "resume" && action !== "heal";
}

/** A line for each, below one that says how to have it again. */
export function scheduleText(seed: number, planned: readonly ScheduledFault[]): string {
  const lines = planned.map(({ at, node, action }) => `${(at / 1000).toFixed(3).padStart(9)} s  ${action} ${node}`);
  return [`seed ${seed}: ${planned.length} events`, ...lines].join("\n");
}

function pick<T>(from: readonly T[], random: () => number): T | undefined {
  return from[Math.floor(random() * from.length)];
}
