/**
 * How long units may be spent that an isolate was granted beyond what its request needed, and what that costs the bucket.
 *
 * Such units may be spent up to `lifeMs` after they were granted, when the bucket has refilled meanwhile; a full burst on top of
 * them would break the limit. So granting them moves the bucket's TAT at least to where it would be if they were spent at the very
 * end of their life:
 *
 *     TAT' = max(max(TAT, now) + units * T, now + lifeMs + surplus * T)
 *
 * Then at any time what is out and unspent is covered by what the bucket still owes, and a window of W that begins now admits at
 * most `burst + rate * W`, however the isolates spend. What a request itself needs is spent when it is granted and costs nothing
 * extra, so a quiet tenant has its whole burst.
 */
import { type RateLimit, takeUnits } from "./gcra.ts";

export const LONGEST_LIFE_MS = 1_000;
/** Units that live shorter than this would be dead when they arrive. */
const SHORTEST_LIFE_MS = 20;
/** Of the time in which the whole burst refills. */
const SHARE_OF_BURST = 0.5;

/** Milliseconds from when units were asked for; 0: nothing is granted beyond what a request needs. */
export function leaseLifeMs({ perSecond, burst }: RateLimit): number {
  const lifeMs = Math.min(LONGEST_LIFE_MS, Math.floor((1000 * SHARE_OF_BURST * burst) / perSecond));
  return lifeMs < SHORTEST_LIFE_MS ? 0 : lifeMs;
}

/** The TAT after granting what is needed now and a surplus that may be spent within its life. */
export function takeLease(
  tat: number,
  needed: number,
  surplus: number,
  lifeMs: number,
  limit: RateLimit,
  now: number,
): number {
  const taken = takeUnits(tat, needed + surplus, limit, now);
  return surplus === 0 ? taken : Math.max(taken, now + lifeMs + (surplus * 1000) / limit.perSecond);
}

/** The largest surplus that the bucket can give beyond what is needed. */
export function availableSurplus(tat: number, needed: number, lifeMs: number, limit: RateLimit, now: number): number {
  const owed = (Math.max(0, tat - now) * limit.perSecond) / 1000;
  const byBurst = limit.burst - owed - needed;
  const byLife = limit.burst - (lifeMs * limit.perSecond) / 1000;
  return Math.max(0, Math.floor(Math.min(byBurst, byLife)));
}
