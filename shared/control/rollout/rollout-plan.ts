/** How traffic moves from a route's stable version to its candidate, and what may stop it: as operators declare it. */
import { z } from "zod";

export const ALL_TRAFFIC = 100;

export const rolloutPlanSchema = z.strictObject({
  /**
   * Percentages of the traffic that the candidate gets, one after the other. In the last one there is nothing left to
   * compare with, so the one before it carries the proof.
   *
   * The first is 20 as that is what it takes at 50 requests a second to see within a minute that a candidate is twice
   * as slow. Errors and wrong answers are seen as soon at 5, by shadows; their latency tells nothing, as they wait for
   * everybody else.
   */
  steps: z
    .array(z.int().min(1).max(ALL_TRAFFIC))
    .min(1)
    .max(20)
    .refine((steps) => steps.every((step, index) => index === 0 || step > (steps[index - 1] ?? 0)), {
      error: "steps must ascend",
    })
    .refine((steps) => steps.at(-1) === ALL_TRAFFIC, { error: "the last step must be 100" })
    .default([20, 50, ALL_TRAFFIC]),
  /** The shortest time in a step. */
  stepSeconds: z.int().min(1).max(604_800).default(60),
  /**
   * The fewest requests in a step that the candidate has answered, shadows included, and that it has been compared
   * with.
   */
  stepRequests: z.int().min(1).max(1e6).default(100),
  /** Share of the stable version's requests that the candidate answers too, for comparison only; 0: none. */
  shadowShare: z.number().min(0).max(1).default(0.2),
  /** What takes all traffic back to the stable version; null and false: never does. */
  guards: z
    .strictObject({
      /** How many times the stable version's error rate the candidate's may be. */
      errorRatio: z.number().min(1).max(100).nullable().default(1.5),
      /**
       * How many times as slow as the stable version the candidate may be, in general and at the 99th percentile.
       */
      p99Ratio: z.number().min(1).max(100).nullable().default(1.5),
      /** The least share of shadows that agree with the stable version. */
      agreement: z.number().min(0.001).max(0.9999).nullable().default(0.9),
      /** Outputs that are no finite numbers, more often than the stable version has them. */
      nonFinite: z.boolean().default(true),
    })
    .prefault({}),
});
export type RolloutPlan = z.infer<typeof rolloutPlanSchema>;

export const guardSchema = rolloutPlanSchema.shape.guards.unwrap().keyof();
export type Guard = z.infer<typeof guardSchema>;

/** What cannot work in a plan, as sentences; empty: nothing. */
export function planProblems({ steps, shadowShare, guards }: RolloutPlan): string[] {
  const problems: string[] = [];
  if (guards.agreement !== null && shadowShare === 0) {
    problems.push(
      "The guard agreement needs shadows to compare, and shadowShare is 0: set a share, or the guard to null.",
    );
  }
  const isGuarded = Object.values(guards).some((guard) => guard !== null && guard !== false);
  if (isGuarded && steps[0] === ALL_TRAFFIC) {
    problems.push(
      "The guards compare with the stable version, and the first step leaves it no traffic: begin below 100.",
    );
  }
  return problems;
}
