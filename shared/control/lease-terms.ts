/**
 * How a rate limit is split between the owner of a tenant's limits and the isolates that spend it.
 *
 * A unit that was granted may be spent up to `lifeMs` later, so in a window of W the isolates together could admit what the
 * owner granted in W + lifeMs. The owner therefore grants with a burst that is smaller by what the rate gives in lifeMs:
 *
 *     admitted in any W  <=  ownerBurst + rate * (W + lifeMs)  =  burst + rate * W
 *
 * which is the limit as the tenant was told it, exactly.
 */
import type { RateLimit } from "./gcra.ts";

export interface LeaseTerms {
  /** How long a granted unit may be spent, from when it was asked for; 0: only what the asking request needs is granted. */
  readonly lifeMs: number;
  /** What the owner admits by. */
  readonly owner: RateLimit;
}

export const LONGEST_LIFE_MS = 1_000;
/** A lease that lives shorter than this would be dead when it arrives. */
const SHORTEST_LIFE_MS = 20;
/** Of the burst; the rest remains for bursts proper. */
const SHARE_FOR_LIFE = 0.5;

/** @param mostUnits what the dearest request costs: the owner's burst must hold it */
export function leaseTerms(limit: RateLimit, mostUnits: number): LeaseTerms {
  const spare = Math.max(0, Math.min(SHARE_FOR_LIFE * limit.burst, limit.burst - mostUnits));
  const lifeMs = Math.min(LONGEST_LIFE_MS, Math.floor((1000 * spare) / limit.perSecond));
  if (lifeMs < SHORTEST_LIFE_MS) return { lifeMs: 0, owner: limit };
  return { lifeMs, owner: { ...limit, burst: limit.burst - (limit.perSecond * lifeMs) / 1000 } };
}
