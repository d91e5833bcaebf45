/** The guards of a plan as sequential tests: what a look at the evidence makes of them. */
import { z } from "zod";
import { againstSlower, type LatencyReference } from "./latency-reference.ts";
import { againstRatio, againstShare } from "./likelihood-ratio.ts";
import type { RolloutEvidence } from "./rollout-evidence.ts";
import type { Guard, RolloutPlan } from "./rollout-plan.ts";
import { eValue, newTest, type SequentialTest, sequentialTestSchema, updated } from "./sequential-test.ts";

export const guardTestsSchema = z.strictObject({
  errors: sequentialTestSchema,
  nonFinite: sequentialTestSchema,
  agreement: sequentialTestSchema,
  latency: sequentialTestSchema,
});
export type GuardTests = z.infer<typeof guardTestsSchema>;

export function newTests(): GuardTests {
  return { errors: newTest(), nonFinite: newTest(), agreement: newTest(), latency: newTest() };
}

/** @param reference from before the evidence */
export function testsAfter(
  { errorRatio, p99Ratio, agreement, nonFinite }: RolloutPlan["guards"],
  tests: GuardTests,
  { cuts }: LatencyReference,
  { stable, candidate, shadow }: RolloutEvidence,
): GuardTests {
  const more = (of: "errors" | "nonFinite", ratio: number) =>
    againstRatio(ratio, { events: candidate[of], of: candidate.requests }, { events: stable[of], of: stable.requests });
  const slower =
    p99Ratio === null || !cuts ? undefined : againstSlower(cuts, p99Ratio, candidate.latencyMs, stable.latencyMs);
  const disagreeing = { events: shadow.compared - shadow.agreeing, of: shadow.compared };
  return {
    errors: updated(tests.errors, errorRatio === null ? undefined : more("errors", errorRatio)),
    latency: updated(tests.latency, slower),
    agreement: updated(tests.agreement, agreement === null ? undefined : againstShare(1 - agreement, disagreeing)),
    nonFinite: updated(tests.nonFinite, nonFinite ? more("nonFinite", 1) : undefined),
  };
}

export interface GuardStanding {
  readonly guard: Guard;
  /** How much speaks against the candidate. */
  readonly eValue: number;
  readonly looks: number;
}

/** Where the guards stand that the plan has. */
export function standings(
  { errorRatio, p99Ratio, agreement, nonFinite }: RolloutPlan["guards"],
  tests: GuardTests,
): GuardStanding[] {
  const standing = (guard: Guard, test: SequentialTest) => ({ guard, eValue: eValue(test), looks: test.looks });
  return [
    ...(errorRatio === null ? [] : [standing("errorRatio", tests.errors)]),
    ...(p99Ratio === null ? [] : [standing("p99Ratio", tests.latency)]),
    ...(agreement === null ? [] : [standing("agreement", tests.agreement)]),
    ...(nonFinite ? [standing("nonFinite", tests.nonFinite)] : []),
  ];
}
