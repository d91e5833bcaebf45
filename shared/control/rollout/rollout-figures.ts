import { quantile } from "../distribution.ts";
import { standings } from "./guard-tests.ts";
import type { RolloutPlan } from "./rollout-plan.ts";
import type { Figures, Running } from "./rollout-state.ts";

/**
 * What a decision rests on: counts, rates (0 to 1) and latencies (milliseconds) of the step, e-values of the whole
 * rollout.
 */
export function figuresOf(plan: RolloutPlan, { step, since, evidence, tests }: Running, now: number): Figures {
  const { stable, candidate, shadow } = evidence;
  const known: [name: string, figure: number | undefined][] = [
    ["percentage", plan.steps[step]],
    ["stepSeconds", Math.max(0, now - since) / 1000],
    ["stableRequests", stable.requests],
    ["candidateRequests", candidate.requests],
    ["stableErrorRate", share(stable.errors, stable.requests)],
    ["candidateErrorRate", share(candidate.errors, candidate.requests)],
    ["stableNonFiniteRate", share(stable.nonFinite, stable.requests)],
    ["candidateNonFiniteRate", share(candidate.nonFinite, candidate.requests)],
    ["stableP50Ms", quantile(stable.latencyMs, 0.5)],
    ["candidateP50Ms", quantile(candidate.latencyMs, 0.5)],
    ["stableP99Ms", quantile(stable.latencyMs, 0.99)],
    ["candidateP99Ms", quantile(candidate.latencyMs, 0.99)],
    ["compared", shadow.compared],
    ["agreement", share(shadow.agreeing, shadow.compared)],
    ...standings(plan.guards, tests).map(({ guard, eValue }): [string, number] => [`${guard}EValue`, eValue]),
  ];
  return Object.fromEntries(known.filter((entry): entry is [string, number] => entry[1] !== undefined));
}

function share(part: number, of: number): number | undefined {
  return of === 0 ? undefined : part / of;
}
