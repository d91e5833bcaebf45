/** Where a rollout is, as its owner stores it, and what it decides. */
import { z } from "zod";
import { guardTestsSchema } from "./guard-tests.ts";
import { latencyReferenceSchema } from "./latency-reference.ts";
import { rolloutEvidenceSchema } from "./rollout-evidence.ts";
import { type Guard, guardSchema } from "./rollout-plan.ts";

/** Milliseconds since 1970. */
const moment = z.number();
const figuresSchema = z.record(z.string(), z.number());
/** Plain numbers by name, for the audit log. A figure that nothing is known of is not there. */
export type Figures = z.infer<typeof figuresSchema>;

const operatorSchema = z.strictObject({ kind: z.literal("operator"), actor: z.string() });

const runningSchema = z.strictObject({
  kind: z.literal("running"),
  /** Number of the plan's step, from 0. */
  step: z.int().min(0),
  /** When the step began. */
  since: moment,
  /** Of the step. */
  evidence: rolloutEvidenceSchema,
  /** What the guards have not looked at, as one of the versions was not asked anything meanwhile. */
  pending: rolloutEvidenceSchema,
  /** Over all steps. */
  tests: guardTestsSchema,
  reference: latencyReferenceSchema,
  /** When the versions were last heard of; null: not yet. */
  heard: z.strictObject({ stable: moment.nullable(), candidate: moment.nullable() }),
});
export type Running = z.infer<typeof runningSchema>;

const promotedSchema = z.strictObject({
  kind: z.literal("promoted"),
  at: moment,
  by: z.discriminatedUnion("kind", [z.strictObject({ kind: z.literal("plan") }), operatorSchema]),
  figures: figuresSchema,
});
export type Promoted = z.infer<typeof promotedSchema>;

const abortedSchema = z.strictObject({
  kind: z.literal("aborted"),
  at: moment,
  by: z.discriminatedUnion("kind", [z.strictObject({ kind: z.literal("guard"), guard: guardSchema }), operatorSchema]),
  figures: figuresSchema,
});
export type Aborted = z.infer<typeof abortedSchema>;

export const rolloutStateSchema = z.discriminatedUnion("kind", [runningSchema, promotedSchema, abortedSchema]);
export type RolloutState = z.infer<typeof rolloutStateSchema>;

/**
 * Why a rollout stays where it is: a guard has more against the candidate than chance explains well; a version has not
 * been heard of of late; the step has not seen enough requests; it has not lasted long enough.
 */
export type HoldReason = "suspicion" | "no_data" | "requests" | "time";

export type Decision =
  | { readonly kind: "hold"; readonly reason: HoldReason; readonly figures: Figures }
  | { readonly kind: "advance"; readonly percentage: number; readonly figures: Figures }
  | { readonly kind: "promote"; readonly figures: Figures }
  | { readonly kind: "abort"; readonly guard: Guard; readonly figures: Figures };
