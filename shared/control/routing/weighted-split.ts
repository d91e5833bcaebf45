import { stableHash } from "./stable-hash.ts";

const HASHES = 2 ** 32;

/**
 * The target that a key belongs to, by weighted rendezvous hashing (Schindelhauer and Schomaker 2005;
 * draft-ietf-bess-weighted-hrw): each target draws a number u in (0, 1) from a hash of the salt, the key and its id,
 * and the highest w / -ln(u) has the key.
 *
 * - A target has the share of keys that it has of all weights, down to about 1e-9, which is as fine as 32 bits are.
 * - One salt, key and set of targets always give the same target, in whatever order the targets come.
 * - A target's score depends on its own weight alone. So raising a weight only moves keys to that target, and lowering
 *   it only away from it: a canary's ramp takes nobody out of the canary.
 * - Splits with different salts are independent of each other.
 *
 * @param salt names the split, so that not the same callers are the first ones everywhere
 * @param targets with ids that differ and weights that are finite and not negative, on any scale
 * @returns undefined when no target has a weight above 0
 */
export function chooseByWeight<Target extends { readonly id: string; readonly weight: number }>(
  salt: string,
  key: string,
  targets: readonly Target[],
): Target | undefined {
  let chosen: Target | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  for (const target of targets) {
    if (target.weight === 0) continue;
    const score = scoreOf(salt, key, target);
    const wins = chosen === undefined || score > highest || (score === highest && target.id > chosen.id);
    if (!wins) continue;
    chosen = target;
    highest = score;
  }
  return chosen;
}

/** ln(w / -ln(u)): orders as the quotient does, and no weight is too large or too small for it. */
function scoreOf(salt: string, key: string, { id, weight }: { readonly id: string; readonly weight: number }): number {
  // With lengths in front no two triples make one text. A half keeps u off 0 and 1.
  const hash = stableHash(`${salt.length}:${salt}${key.length}:${key}${id.length}:${id}`);
  return Math.log(weight) - Math.log(-Math.log((hash + 0.5) / HASHES));
}
