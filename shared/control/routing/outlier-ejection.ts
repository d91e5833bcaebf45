/**
 * Which nodes get no requests because their last ones failed, after Envoy's outlier detection (consecutive failures).
 *
 * - Five failures in a row eject a node, for 10 s times the number of its ejections in a row, at most 300 s.
 * - Then it is tried again like any other node. It takes five failures again to eject it, since one alone proves
 *   nothing; but then it is out for longer. Each 10 s without a failure since its ejection ended take one off that
 *   number.
 * - Of the nodes to choose from at most half are left out, rounded down: one of two or three, and never the only one.
 *   When more are ejected, those that have been for longest are left out and the others are asked all the same.
 * - A node that answers in spite of its ejection is back at once.
 *
 * Worst case: a node that answers nothing costs each isolate five requests for each 10, 20, ... 300 s.
 *
 * What counts as what is the caller's to say. Failed: no connection, an answer that cannot be read, a 5xx without
 * Retry-After. Answered: all else, a 429 or a 503 with Retry-After included, because a node that sheds load is full and
 * not ill; ejecting it would send its load to the others and bring them down in turn.
 */

const FAILURES_TO_EJECT = 5;
const BASE_EJECTION_MS = 10_000;
const LONGEST_EJECTION_MS = 300_000;
/** More ejections in a row don't prolong the next one, and would only take longer to be forgiven. */
const MOST_EJECTIONS = LONGEST_EJECTION_MS / BASE_EJECTION_MS;
const FORGIVEN_MS = 10_000;
const MOST_EJECTED_SHARE = 0.5;

type NodeHealth =
  | {
      readonly kind: "healthy";
      /** In a row, up to now. */
      readonly failures: number;
      /** In a row, as they counted at `since`. */
      readonly ejections: number;
      /** From when on the next 10 s without a failure count. Of no meaning while it fails. */
      readonly since: number;
    }
  | {
      readonly kind: "ejected";
      readonly until: number;
      /** In a row, this one included. */
      readonly ejections: number;
    };

/** By the name of the node. Nodes of which there is nothing to remember are not in it. */
export type EjectionState = ReadonlyMap<string, NodeHealth>;
export type Outcome = "answered" | "failed";

export const NOTHING_EJECTED: EjectionState = new Map();
const NONE: ReadonlySet<string> = new Set();

/**
 * The state after a node's answer or failure; the same one when there is nothing new to remember, as after most
 * answers.
 *
 * @param now milliseconds, on the scale that `ejected` is asked on
 */
export function noted(state: EjectionState, node: string, outcome: Outcome, now: number): EjectionState {
  const before = state.get(node);
  if (before === undefined && outcome === "answered") return state;
  const after =
    outcome === "answered" ? afterAnswer(healthAt(before, now), now) : afterFailure(healthAt(before, now), now);
  if (after === before) return state;
  const nodes = new Map(state);
  if (after.kind === "healthy" && after.failures === 0 && after.ejections === 0) nodes.delete(node);
  else nodes.set(node, after);
  return nodes;
}

function afterAnswer(health: NodeHealth, now: number): NodeHealth {
  // It was asked in spite of its ejection, or before it. Either way it answers.
  if (health.kind === "ejected") return { kind: "healthy", failures: 0, ejections: health.ejections, since: now };
  return health.failures === 0 ? health : { ...health, failures: 0, since: now };
}

function afterFailure(health: NodeHealth, now: number): NodeHealth {
  // Failures of requests that were under way when it was ejected say nothing new.
  if (health.kind === "ejected") return health;
  const failures = health.failures + 1;
  if (failures < FAILURES_TO_EJECT) return { ...health, failures };
  const ejections = Math.min(health.ejections + 1, MOST_EJECTIONS);
  return { kind: "ejected", until: now + ejections * BASE_EJECTION_MS, ejections };
}

/** A node's health at a moment: an ejection that is over has ended, and what time forgives is forgiven. */
function healthAt(health: NodeHealth | undefined, now: number): NodeHealth {
  if (health === undefined) return { kind: "healthy", failures: 0, ejections: 0, since: now };
  if (health.kind === "ejected") {
    if (now < health.until) return health;
    return healthAt({ kind: "healthy", failures: 0, ejections: health.ejections, since: health.until }, now);
  }
  // A node that fails slowly is not well in between.
  if (health.failures > 0) return health;
  const forgiven = Math.min(health.ejections, Math.floor((now - health.since) / FORGIVEN_MS));
  if (forgiven <= 0) return health;
  return { ...health, ejections: health.ejections - forgiven, since: health.since + forgiven * FORGIVEN_MS };
}

/**
 * Which of these nodes to leave out now.
 *
 * @param nodes names that differ, of the nodes that could serve a request
 */
export function ejected(state: EjectionState, nodes: readonly string[], now: number): ReadonlySet<string> {
  if (state.size === 0) return NONE;
  const out = nodes
    .flatMap((node) => {
      const health = state.get(node);
      return health?.kind === "ejected" && now < health.until ? [{ node, from: beginOf(health) }] : [];
    })
    .sort((a, b) => a.from - b.from || (a.node < b.node ? -1 : 1));
  return new Set(out.slice(0, Math.floor(nodes.length * MOST_EJECTED_SHARE)).map(({ node }) => node));
}

function beginOf({ until, ejections }: { readonly until: number; readonly ejections: number }): number {
  return until - ejections * BASE_EJECTION_MS;
}

/** The state without the nodes that are gone, so never more than there are nodes; the same one when none is gone. */
export function retained(state: EjectionState, nodes: readonly string[]): EjectionState {
  const there = new Set(nodes);
  const kept = [...state].filter(([node]) => there.has(node));
  return kept.length === state.size ? state : new Map(kept);
}
