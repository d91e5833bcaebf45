/** Candidates that a rollout meets, and what becomes of many rollouts of one. */
import { rolloutPlanSchema } from "../../../shared/control/rollout/rollout-plan.ts";
import { GOOD, simulateRollout, type WorldOptions } from "./world.ts";

export interface Scenario extends Omit<WorldOptions, "seed"> {
  readonly name: string;
}

const PLAN = rolloutPlanSchema.parse({});
const FROM_FIVE = rolloutPlanSchema.parse({ steps: [5, 25, 50, 100] });
const USUAL = { plan: PLAN, perSecond: 50, seconds: 1_800 };
const WEATHER = { drift: 0.3, burstErrors: 0.3 };
const SLOW = { ...GOOD, slower: 2 };

export const BAD: readonly Scenario[] = [
  { ...USUAL, name: "twice as slow", candidate: SLOW },
  { ...USUAL, name: "errors in 5 %, not 0.1 %", candidate: { ...GOOD, errors: 0.05 } },
  { ...USUAL, name: "non-finite in 5 %", candidate: { ...GOOD, nonFinite: 0.05 } },
  { ...USUAL, name: "agrees in 60 %", candidate: { ...GOOD, agreement: 0.6 } },
];

/** Twice as slow from a moment on in which the candidate has half of the traffic, after it has been good. */
export const TURNS_BAD: Scenario = { ...USUAL, name: "twice as slow after 80 s", candidate: SLOW, turnsAtSeconds: 80 };

export const SAME: Scenario = { ...USUAL, name: "the same", candidate: GOOD };

/** As much worse as a plan's guards let pass, while load and errors of both versions come and go. */
export const TOLERABLE: Scenario = {
  ...{ ...USUAL, name: "10 % slower, agrees in 96 %, in bad weather" },
  ...{ candidate: { ...GOOD, slower: 1.1, agreement: 0.96 }, weather: WEATHER },
};

/** What costs what: a first step of 5 %, a slowness between what is allowed and what is plain, fewer requests. */
export const OTHERS: readonly Scenario[] = [
  { ...USUAL, name: "twice as slow, first step 5 %", candidate: SLOW, plan: FROM_FIVE },
  { ...USUAL, name: "errors in 5 %, first step 5 %", candidate: { ...GOOD, errors: 0.05 }, plan: FROM_FIVE },
  { ...USUAL, name: "1.7 times as slow", candidate: { ...GOOD, slower: 1.7 } },
  { ...USUAL, name: "errors in 1 %, not 0.1 %", candidate: { ...GOOD, errors: 0.01 } },
  { ...USUAL, name: "twice as slow, 5 requests/s", candidate: SLOW, perSecond: 5 },
];

export interface Outcomes {
  readonly promoted: number;
  /** Rollouts by the guard that aborted them. */
  readonly aborted: Readonly<Record<string, number>>;
  /** When they ended, in seconds after the candidate was bad; ascending. */
  readonly seconds: readonly number[];
  readonly largestPercentage: number;
}

/** @param seed of the first rollout; each has another one */
export function rollouts({ name: _, ...options }: Scenario, runs: number, seed: number): Outcomes {
  const aborted: Record<string, number> = {};
  const seconds: number[] = [];
  let [promoted, largestPercentage] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const { state, seconds: ended, percentage } = simulateRollout({ ...options, seed: 1_000_003 * seed + run });
    if (state.kind === "promoted") promoted++;
    if (state.kind === "aborted" && state.by.kind === "guard")
      aborted[state.by.guard] = (aborted[state.by.guard] ?? 0) + 1;
    seconds.push(ended - (options.turnsAtSeconds ?? 0));
    largestPercentage = Math.max(largestPercentage, percentage);
  }
  return { promoted, aborted, seconds: seconds.sort((a, b) => a - b), largestPercentage };
}
