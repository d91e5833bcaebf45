/**
 * What isolates tell of the two versions in a rollout. Additive, so it does not matter who saw what. Only what the pool
 * was asked counts: answers from the cache would make the older version look fast.
 */
import { z } from "zod";
import { distributionSchema, merge, newDistribution } from "../distribution.ts";

const count = z.int().min(0);

const versionEvidenceSchema = z
  .strictObject({
    /** Answered or failed. Shadows are requests of the candidate: what they find costs no caller anything. */
    requests: count,
    /**
     * Failed, and the version is to blame: its model failed, its output was bad, it took too long. No refusals for
     * load.
     */
    errors: count,
    /** Outputs with numbers that are not finite. */
    nonFinite: count,
    /**
     * Of those answered, for both versions measured at the same place. A shadow that is sent with a lower priority than
     * the request it copies has no place here: it waits for others.
     */
    latencyMs: distributionSchema,
  })
  .refine(({ requests, errors, nonFinite, latencyMs }) => Math.max(errors, nonFinite, latencyMs.count) <= requests, {
    error: "more happened than was requested",
  });
export type VersionEvidence = z.infer<typeof versionEvidenceSchema>;

export const rolloutEvidenceSchema = z.strictObject({
  stable: versionEvidenceSchema,
  candidate: versionEvidenceSchema,
  /** Pairs of answers to the same request. */
  shadow: z
    .strictObject({ compared: count, agreeing: count })
    .refine(({ compared, agreeing }) => agreeing <= compared, { error: "more agreed than were compared" }),
});
export type RolloutEvidence = z.infer<typeof rolloutEvidenceSchema>;

export function newEvidence(): RolloutEvidence {
  return { stable: newVersion(), candidate: newVersion(), shadow: { compared: 0, agreeing: 0 } };
}

export function addEvidence(into: RolloutEvidence, from: RolloutEvidence): void {
  addVersion(into.stable, from.stable);
  addVersion(into.candidate, from.candidate);
  into.shadow.compared += from.shadow.compared;
  into.shadow.agreeing += from.shadow.agreeing;
}

/** As `addEvidence`, both left as they were. */
export function evidenceSum(a: RolloutEvidence, b: RolloutEvidence): RolloutEvidence {
  const { stable, candidate, shadow } = a;
  const sum = { stable: copied(stable), candidate: copied(candidate), shadow: { ...shadow } };
  addEvidence(sum, b);
  return sum;
}

function newVersion(): VersionEvidence {
  return { requests: 0, errors: 0, nonFinite: 0, latencyMs: newDistribution() };
}

function copied({ latencyMs: { count, buckets }, ...counts }: VersionEvidence): VersionEvidence {
  return { ...counts, latencyMs: { count, buckets: { ...buckets } } };
}

function addVersion(into: VersionEvidence, from: VersionEvidence): void {
  into.requests += from.requests;
  into.errors += from.errors;
  into.nonFinite += from.nonFinite;
  merge(into.latencyMs, from.latencyMs);
}
