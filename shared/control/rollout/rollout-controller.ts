/**
 * Moves the traffic of a route from its stable version to a candidate, step by step, and takes it all back when the
 * candidate is worse than the plan allows. Whoever owns the rollout hands in every few seconds what isolates have told
 * since:
 *
 *     let state: RolloutState = started(now);
 *     if (state.kind === "running") ({ state, decision } = next(plan, state, evidence, now));
 *
 * Promises, if isolates choose by lot which requests are the candidate's, or by a hash of what has nothing to do with
 * how they go:
 * - A candidate that is no worse than the plan allows is aborted with a probability of at most `ALPHA` for each guard,
 *   in all of the rollout together, however often it is looked at.
 * - Nothing advances without data: from both versions within the last `FRESH_MS`, enough of them in the step, and as
 *   many looks of each guard as it would need to abort. Silence and suspicion hold; they abort nothing and promote
 *   nothing.
 * - What is stored is bounded: counts, five distributions of latencies, four tests.
 * Worst case: a bad candidate answers its step's share of requests for as long as the proof takes. At 50 requests a
 * second, of which 20 % are the candidate's and 20 % of the others have a shadow, one that is twice as slow, or fails
 * or answers nonsense in 5 % of the cases, is gone within a minute, mostly in half of one (`test/simulation/rollout`).
 * With ten times fewer requests it takes nearly ten times as long. Guards refute, they do not certify: what is only
 * somewhat worse than allowed, or would take longer to refute than the plan lasts, is promoted. Longer steps find more.
 *
 * In the last step all traffic is the candidate's, so nothing is left to compare it with. The guards rest, and the
 * steps before have to be the proof; what is still waited for is that the candidate is heard of under the whole load,
 * for as long as in any step.
 */
import { type GuardStanding, newTests, standings, testsAfter } from "./guard-tests.ts";
import { newReference, referenceWith } from "./latency-reference.ts";
import { evidenceSum, newEvidence, type RolloutEvidence } from "./rollout-evidence.ts";
import { figuresOf } from "./rollout-figures.ts";
import { ALL_TRAFFIC, type RolloutPlan } from "./rollout-plan.ts";
import type { Aborted, Decision, HoldReason, Promoted, RolloutState, Running } from "./rollout-state.ts";
import { MOST_PER_LOOK } from "./sequential-test.ts";

/** The probability with which a guard may abort a rollout of a good candidate. */
export const ALPHA = 1e-5;
/** An e-value that chance brings about in at most one of twenty rollouts. */
const SUSPICIOUS = 20;
const LOOKS_TO_ABORT = Math.ceil(Math.log(2 / ALPHA) / Math.log(MOST_PER_LOOK));
const FRESH_MS = 30_000;

/** A rollout in its plan's first step. @param now milliseconds since 1970, here and below */
export function started(now: number): Running {
  return {
    kind: "running",
    step: 0,
    since: now,
    evidence: newEvidence(),
    pending: newEvidence(),
    tests: newTests(),
    reference: newReference(now),
    heard: { stable: null, candidate: null },
  };
}

export function abortedBy(plan: RolloutPlan, state: Running, actor: string, now: number): Aborted {
  return { kind: "aborted", at: now, by: { kind: "operator", actor }, figures: figuresOf(plan, state, now) };
}

/** Whatever the guards say: an operator may know more. */
export function promotedBy(plan: RolloutPlan, state: Running, actor: string, now: number): Promoted {
  return { kind: "promoted", at: now, by: { kind: "operator", actor }, figures: figuresOf(plan, state, now) };
}

/** Of the route's traffic, the part that the candidate gets. */
export function candidatePercentage(plan: RolloutPlan, state: RolloutState): number {
  if (state.kind === "running") return percentageOf(plan, state);
  return state.kind === "promoted" ? ALL_TRAFFIC : 0;
}

/**
 * What to do now.
 *
 * @param evidence what has been told since the last time; that there is none has to be told too
 */
export function next(
  plan: RolloutPlan,
  before: Running,
  evidence: RolloutEvidence,
  now: number,
): { state: RolloutState; decision: Decision } {
  const state = looked(plan, before, evidence, now);
  const figures = figuresOf(plan, state, now);
  const guards = standings(plan.guards, state.tests);
  const refuted = worst(guards.filter(({ eValue }) => eValue >= 1 / ALPHA));
  if (refuted) {
    const { guard } = refuted;
    return {
      state: { kind: "aborted", at: now, by: { kind: "guard", guard }, figures },
      decision: { kind: "abort", guard, figures },
    };
  }
  const reason = holdReason(plan, state, guards, now);
  if (reason) return { state, decision: { kind: "hold", reason, figures } };
  const percentage = plan.steps[state.step + 1];
  if (percentage === undefined) {
    return {
      state: { kind: "promoted", at: now, by: { kind: "plan" }, figures },
      decision: { kind: "promote", figures },
    };
  }
  return {
    state: { ...state, step: state.step + 1, since: now, evidence: newEvidence() },
    decision: { kind: "advance", percentage, figures },
  };
}

/**
 * The state with the evidence in it. The guards look when both versions have been asked something: one alone tells
 * nothing.
 */
function looked(plan: RolloutPlan, state: Running, evidence: RolloutEvidence, now: number): Running {
  const { stable, candidate } = evidence;
  const heard = {
    stable: stable.requests > 0 ? now : state.heard.stable,
    candidate: candidate.requests > 0 ? now : state.heard.candidate,
  };
  const pending = evidenceSum(state.pending, evidence);
  const together = { ...state, heard, evidence: evidenceSum(state.evidence, evidence), pending };
  if (pending.stable.requests === 0 || pending.candidate.requests === 0) return together;
  return {
    ...together,
    pending: newEvidence(),
    tests: testsAfter(plan.guards, state.tests, state.reference, pending),
    reference: referenceWith(state.reference, pending.stable.latencyMs, now),
  };
}

function holdReason(
  plan: RolloutPlan,
  state: Running,
  guards: readonly GuardStanding[],
  now: number,
): HoldReason | undefined {
  const isFresh = (at: number | null) => at !== null && now - at <= FRESH_MS;
  const compares = percentageOf(plan, state) < ALL_TRAFFIC && guards.length > 0;
  if (compares && guards.some(({ eValue }) => eValue > SUSPICIOUS)) return "suspicion";
  if (!isFresh(state.heard.candidate) || (compares && !isFresh(state.heard.stable))) return "no_data";
  const looksEnough = guards.every(({ looks }) => looks >= LOOKS_TO_ABORT);
  if (!hasEnough(plan, state, compares) || (compares && !looksEnough)) return "requests";
  return now - state.since < plan.stepSeconds * 1000 ? "time" : undefined;
}

/** Each guard has in the step what it compares. */
function hasEnough(
  { stepRequests, shadowShare, guards }: RolloutPlan,
  { evidence: { stable, candidate, shadow } }: Running,
  compares: boolean,
): boolean {
  if (candidate.requests < stepRequests) return false;
  if (!compares) return true;
  const timed = Math.min(stable.latencyMs.count, candidate.latencyMs.count);
  return (
    stable.requests >= stepRequests &&
    (guards.p99Ratio === null || timed >= stepRequests) &&
    (guards.agreement === null || shadow.compared >= Math.ceil(stepRequests * shadowShare))
  );
}

function percentageOf({ steps }: RolloutPlan, { step }: Running): number {
  return steps[step] ?? ALL_TRAFFIC;
}

function worst(guards: readonly GuardStanding[]): GuardStanding | undefined {
  return guards.toSorted((a, b) => b.eValue - a.eValue)[0];
}
