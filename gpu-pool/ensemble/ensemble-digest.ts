import { createHash } from "node:crypto";
import type { EnsembleJson } from "./ensemble-schema.ts";

/** A version that an ensemble uses. */
export interface MemberDigest {
  readonly model: string;
  readonly version: string;
  /** Over its files and its model.json, its pipeline among them. */
  readonly digest: string;
}

/** What of a `model.json` makes an ensemble what it is. */
export interface EnsembleSettings {
  readonly description: string;
  readonly deterministic: boolean;
  readonly ensemble: EnsembleJson;
}

/**
 * Names an ensemble by all that its answers come from: its own settings, however they are written down, and each version
 * that it uses, once. Hex.
 */
export function ensembleDigest(
  { description, deterministic, ensemble }: EnsembleSettings,
  members: readonly MemberDigest[],
): string {
  const used = new Map(members.map(({ model, version, digest }) => [`${model}/${version}`, digest]));
  return createHash("sha256")
    .update(canonicalJson([description, deterministic, ensemble, [...used].sort()]))
    .digest("hex");
}

/** JSON with the keys of objects in order, so that equal values are equal texts. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
