/**
 * What a route does when the version that was chosen for a request fails: the steps of its fallback chain, in the order in
 * which they are tried. A step never falls back further, so each is tried at most once; behind the last one is the refusal.
 *
 *     [
 *       { "kind": "cached" },
 *       { "kind": "version", "version": "1" },
 *       { "kind": "rule", "outputs": { "score": { "expression": "clamp(amount / 1e4, 0, 1)" } } },
 *       { "kind": "job" }
 *     ]
 */
import { z } from "zod";
import { LONGEST_EXPRESSION } from "./expression.ts";
import { isModelVersion } from "./model-name.ts";

export const MOST_STEPS = 4;
export const LONGEST_TEXT = 500;
const MOST_VALUES = 4_096;
/** As a signature may have. */
const MOST_OUTPUTS = 256;

const element = z.union([z.number(), z.boolean(), z.string().max(LONGEST_TEXT)]);
const ruleSchema = z.union([
  /** Every element of the output. */
  z.strictObject({ constant: element }),
  /** A prior: the elements of a row, row-major, the same for each row. */
  z.strictObject({ values: z.array(element).min(1).max(MOST_VALUES) }),
  /** Computed for each row of the inputs; every element of the output's row (`expression.ts`). */
  z.strictObject({ expression: z.string().min(1).max(LONGEST_EXPRESSION) }),
]);
export type OutputRule = z.infer<typeof ruleSchema>;

const ruleStepSchema = z.strictObject({
  kind: z.literal("rule"),
  outputs: z
    .record(z.string().min(1).max(256), ruleSchema)
    .refine((outputs) => within(Object.keys(outputs).length, 1, MOST_OUTPUTS), `1 to ${MOST_OUTPUTS} outputs`),
});
export type RuleStep = z.infer<typeof ruleStepSchema>;

const stepSchema = z.discriminatedUnion("kind", [
  /** What another version of the route answered to the same inputs. */
  z.strictObject({ kind: z.literal("cached") }),
  /** Another version of the same model is asked. */
  z.strictObject({
    kind: z.literal("version"),
    version: z.string().refine(isModelVersion, "a model version is a whole number from 1"),
  }),
  ruleStepSchema,
  /** The request is kept and run later; the caller is told where to ask for the answer. Only as the last step. */
  z.strictObject({ kind: z.literal("job") }),
]);
export type FallbackStep = z.infer<typeof stepSchema>;

export const fallbackSchema = z.array(stepSchema).max(MOST_STEPS);

function within(count: number, least: number, most: number): boolean {
  return count >= least && count <= most;
}
