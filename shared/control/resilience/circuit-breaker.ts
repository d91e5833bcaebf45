/**
 * Whether a node is asked for a model at all (M. Nygard, "Release It!"): one breaker for each node and model, because a
 * broken model is no reason not to ask its node for the others.
 *
 * - Closed: every call is let through. Five failures in a row open it, or a failure when of the last 10 s' calls, ten at
 *   least, half have failed. An answer never opens it.
 * - Open: no call is let through, for 1 s, 2 s, 4 s ... 30 s (+-20 %, so that isolates don't come back together).
 * - Half open, from the first call after that: one probe at a time, then two after the first success and four after the
 *   second. The third closes it; a failure opens it again, for twice as long.
 * - What the open time has grown to is forgotten after 60 s closed.
 *
 * Worst case: a node that answers nothing costs each isolate five calls, and then one for each open time. A probe whose
 * end is never told, because its request died, holds its place for 10 s; so calls are let through again 36 s after the
 * last word at the latest.
 *
 * Failed is what speaks of ill health (no connection, a timeout, a 5xx without Retry-After). A call that was shed or
 * cancelled says nothing of it.
 */
import { counted, countOf, type SlidingCounts } from "./sliding-counts.ts";

const FAILURES_IN_ROW = 5;
const WINDOW = { sliceMs: 1_000, slices: 10 };
const FEWEST_CALLS = 10;
const FAILED_SHARE = 0.5;
const FIRST_OPEN_MS = 1_000;
const LONGEST_OPEN_MS = 30_000;
const JITTER = 0.2;
const FORGOTTEN_MS = 60_000;
const SUCCESSES_TO_CLOSE = 3;
const PROBE_MS = 10_000;

interface Closed {
  readonly kind: "closed";
  readonly since: number;
  readonly calls: SlidingCounts<"ok" | "failed">;
  readonly failuresInRow: number;
  /** In a row, as of `since`. */
  readonly openings: number;
}

interface Open {
  readonly kind: "open";
  readonly until: number;
  /** In a row, this one included. */
  readonly openings: number;
}

interface HalfOpen {
  readonly kind: "half_open";
  readonly since: number;
  /** When each probe that is under way began; four at most. */
  readonly probes: readonly number[];
  readonly successes: number;
  readonly openings: number;
}

export type BreakerState = Closed | Open | HalfOpen;
export type CallOutcome = "ok" | "failed" | "ignored";

export const CLOSED_BREAKER: BreakerState = {
  kind: "closed",
  since: Number.NEGATIVE_INFINITY,
  calls: [],
  failuresInRow: 0,
  openings: 0,
};

/**
 * Whether a call may be sent now. Where one may, its place is taken: its end is to be told to `ended`.
 *
 * @param now milliseconds
 */
export function allow(state: BreakerState, now: number): { readonly allowed: boolean; readonly state: BreakerState } {
  if (state.kind === "closed") return { allowed: true, state };
  if (state.kind === "open") {
    if (now < state.until) return { allowed: false, state };
    const { openings } = state;
    return { allowed: true, state: { kind: "half_open", since: now, probes: [now], successes: 0, openings } };
  }
  const probes = state.probes.filter((begunAt) => now < begunAt + PROBE_MS);
  if (probes.length >= mostProbes(state)) return { allowed: false, state };
  return { allowed: true, state: { ...state, probes: [...probes, now] } };
}

/**
 * The state after a call's end. A call from before the state began says nothing new.
 *
 * @param begunAt the `now` at which `allow` let it through; it tells probes from calls that are older than they
 * @param random from 0 to below 1
 */
export function ended(
  state: BreakerState,
  outcome: CallOutcome,
  begunAt: number,
  now: number,
  random: number,
): BreakerState {
  if (state.kind === "open" || begunAt < state.since) return state;
  return state.kind === "closed"
    ? afterCall(state, outcome, now, random)
    : afterProbe(state, outcome, begunAt, now, random);
}

function afterCall(state: Closed, outcome: CallOutcome, now: number, random: number): BreakerState {
  if (outcome === "ignored") return state;
  const calls = counted(state.calls, outcome, WINDOW, now);
  if (outcome === "ok") return { ...state, calls, failuresInRow: 0 };
  const failuresInRow = state.failuresInRow + 1;
  const failed = countOf(calls, "failed", WINDOW, now);
  const all = failed + countOf(calls, "ok", WINDOW, now);
  if (failuresInRow < FAILURES_IN_ROW && (all < FEWEST_CALLS || failed < all * FAILED_SHARE))
    return { ...state, calls, failuresInRow };
  return opened(now - state.since < FORGOTTEN_MS ? state.openings : 0, now, random);
}

function afterProbe(state: HalfOpen, outcome: CallOutcome, begunAt: number, now: number, random: number): BreakerState {
  if (outcome === "failed") return opened(state.openings, now, random);
  const { openings } = state;
  const successes = state.successes + (outcome === "ok" ? 1 : 0);
  if (successes === SUCCESSES_TO_CLOSE) return { kind: "closed", since: now, calls: [], failuresInRow: 0, openings };
  // Its place may have expired; that a run takes long is no reason not to believe its answer.
  const place = state.probes.indexOf(begunAt);
  return { ...state, successes, probes: state.probes.filter((_, index) => index !== place) };
}

function opened(openingsBefore: number, now: number, random: number): Open {
  const openings = openingsBefore + 1;
  const openMs = Math.min(LONGEST_OPEN_MS, FIRST_OPEN_MS * 2 ** (openings - 1));
  return { kind: "open", until: now + Math.round(openMs * (1 - JITTER + 2 * JITTER * random)), openings };
}

function mostProbes({ successes }: HalfOpen): number {
  return 2 ** successes;
}

/** Milliseconds until a call may be let through, at the latest unless a probe fails; 0 where one may now. */
export function retryAfterMs(state: BreakerState, now: number): number {
  if (state.kind === "closed") return 0;
  if (state.kind === "open") return Math.max(0, state.until - now);
  const places = state.probes.map((begunAt) => begunAt + PROBE_MS).filter((expiresAt) => expiresAt > now);
  return places.length < mostProbes(state) ? 0 : Math.min(...places) - now;
}
