/**
 * When the serving process of a pool is ended, and how, drawn from a seed: the same seed and times give the same schedule.
 *
 *     for (const { at, signal } of killSchedule(7, { forMs: 120_000, meanGapMs: 8_000 })) ...
 *
 * Promises: a supervisor that is right never gives up (`gpu-pool/restart-policy.ts` does at the fifth death within a minute), provided that
 * each end has killed and a process is back within `ALLOWED_MS`; bursts in which it waits longer from death to death do come.
 */
import { seededRandom } from "../bench/arrivals.ts";

/**
 * A signal, or a run that does not end. One that stands still is ended by the supervisor; one that is told to end drains first, as does
 * one that notices such a run; the others are dead at once.
 */
const ENDINGS = ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGSTOP", "SIGTERM", "hang"] as const;
export type Ending = (typeof ENDINGS)[number];
/** No crash: what is being loaded then would be left out from there on, as it should be (`gpu-pool/quarantine.ts`). */
const ENDINGS_AT_START = ["SIGKILL", "SIGSTOP", "SIGTERM"] as const;

export interface PlannedEnd {
  /** Since the start, in whole milliseconds. */
  readonly at: number;
  readonly by: Ending;
  /** Where a model's reload is asked for at that moment: how long after it the end comes. */
  readonly reloadMs?: number;
  /** The process that comes next is ended as well: so long after it was started, or after it was ready. */
  readonly next?: { readonly whenIt: "starts" | "is ready"; readonly afterMs: number; readonly by: Ending };
}

/** From an end to the next process's being ready, or the one's after that. */
export const ALLOWED_MS = 10_000;

const MOST_DEATHS = 4;
const WINDOW_MS = 60_000 + ALLOWED_MS + 2_000;
const LEAST_GAP_MS = 500;
const RELOADING_SHARE = 0.5;
const LONGEST_RELOAD_MS = 800;
const TWICE_SHARE = 0.3;
const LONGEST_WAIT_FOR_NEXT_MS = 700;

/** @param times `forMs`: all are before; `meanGapMs`: between ends, unless the restart policy wants more */
export function killSchedule(
  seed: number,
  { forMs, meanGapMs }: { readonly forMs: number; readonly meanGapMs: number },
): readonly PlannedEnd[] {
  const random = seededRandom(seed);
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  const planned: PlannedEnd[] = [];
  const deaths: number[] = [];
  /** The first moment at which so many more deaths are allowed. */
  const allowedFrom = (more: number) => (deaths.at(more - 1 - MOST_DEATHS) ?? Number.NEGATIVE_INFINITY) + WINDOW_MS;
  for (let at = 0; ; ) {
    at += LEAST_GAP_MS + upTo(2 * (meanGapMs - LEAST_GAP_MS));
    const by = pick(ENDINGS, random);
    const reloadMs = random() < RELOADING_SHARE ? upTo(LONGEST_RELOAD_MS) : undefined;
    const next = random() < TWICE_SHARE ? nextEnd(random, upTo) : undefined;
    const count = next ? 2 : 1;
    at = Math.max(at, allowedFrom(count));
    if (at >= forMs) return planned;
    for (let death = 0; death < count; death++) deaths.push(at);
    planned.push({ at, by, ...(reloadMs === undefined ? {} : { reloadMs }), ...(next ? { next } : {}) });
  }
}

/** A line for each, below one that says how to have it again. */
export function killScheduleText(seed: number, planned: readonly PlannedEnd[]): string {
  const lines = planned.map(({ at, by, reloadMs, next }) => {
    const reload = reloadMs === undefined ? "" : `, ${reloadMs} ms into a reload`;
    const then = next ? `, then ${next.by} ${next.afterMs} ms after the next one ${next.whenIt}` : "";
    return `${(at / 1_000).toFixed(3).padStart(9)} s  ${by}${reload}${then}`;
  });
  return [`seed ${seed}: ${planned.length} events`, ...lines].join("\n");
}

function nextEnd(random: () => number, upTo: (most: number) => number): NonNullable<PlannedEnd["next"]> {
  const whenIt = pick(["starts", "is ready"] as const, random);
  const by = whenIt === "starts" ? pick(ENDINGS_AT_START, random) : pick(ENDINGS, random);
  return { whenIt, afterMs: upTo(LONGEST_WAIT_FOR_NEXT_MS), by };
}

function pick<T>(from: readonly T[], random: () => number): T {
  const picked = from[Math.floor(random() * from.length)];
  if (picked === undefined) throw new RangeError("there is nothing to pick from");
  return picked;
}
