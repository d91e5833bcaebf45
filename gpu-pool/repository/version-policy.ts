/** Which of a model's versions are to be served, as its owner declares in model.json. */
import { z } from "zod";
import { isModelVersion } from "../../shared/protocol/model-name.ts";

/**
 * `"all"`; `{ "latest": 2 }`, the highest two that can be loaded: one that cannot does not cost the one below it its place;
 * or `{ "specific": ["1", "3"] }`.
 */
export const versionPolicySchema = z.union([
  z.literal("all"),
  z.strictObject({ latest: z.int().min(1).max(1_000) }),
  z.strictObject({
    specific: z
      .array(z.string().refine(isModelVersion, "a version is a whole number from 1, written as text"))
      .min(1)
      .max(1_000)
      .refine((versions) => new Set(versions).size === versions.length, "must name each version once"),
  }),
]);
export type VersionPolicy = z.infer<typeof versionPolicySchema>;

export interface VersionPlan {
  /** Versions that may be loaded, in the order in which they are to be tried. */
  readonly candidates: readonly string[];
  /** How many of them are wanted. */
  readonly most: number;
  /** The others. */
  readonly excluded: readonly string[];
}

/** @param versions those in the repository, in any order */
export function planVersions(policy: VersionPolicy, versions: readonly string[]): VersionPlan {
  const ascending = versions.toSorted(byNumber);
  if (policy === "all") return { candidates: ascending, most: ascending.length, excluded: [] };
  if ("latest" in policy) return { candidates: ascending.toReversed(), most: policy.latest, excluded: [] };
  const isChosen = (version: string) => policy.specific.includes(version);
  return {
    candidates: ascending.filter(isChosen),
    most: ascending.length,
    excluded: ascending.filter((version) => !isChosen(version)),
  };
}

export function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}
