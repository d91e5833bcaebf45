/**
 * The generic cell rate algorithm (ITU-T I.371, annex A, "virtual scheduling"): a token bucket whose whole state is one
 * number, the theoretical arrival time (TAT), up to which what was admitted so far has been paid for.
 *
 * Guarantee: in any window of W milliseconds at most `burst + perSecond * W / 1000` units are taken.
 */

export interface RateLimit {
  /** Units a second. */
  readonly perSecond: number;
  /** Units that may be taken at once by someone who has been quiet. */
  readonly burst: number;
}

/** Rounding of a sum of many small intervals must not cost a whole unit. */
const TOLERANCE_UNITS = 1e-6;

/** Whole units that may be taken now. @param tat milliseconds; 0 before the first taking */
export function availableUnits(tat: number, limit: RateLimit, now: number): number {
  const owed = (Math.max(0, tat - now) * limit.perSecond) / 1000;
  return Math.max(0, Math.floor(limit.burst - owed + TOLERANCE_UNITS));
}

/** The TAT after taking units, which the caller has found to be available. */
export function takeUnits(tat: number, units: number, limit: RateLimit, now: number): number {
  return Math.max(tat, now) + (units * 1000) / limit.perSecond;
}

/** Milliseconds until that many units are available; Infinity for more than the burst. */
export function waitForUnits(tat: number, units: number, limit: RateLimit, now: number): number {
  if (units > limit.burst) return Number.POSITIVE_INFINITY;
  return Math.max(0, tat + ((units - limit.burst) * 1000) / limit.perSecond - now);
}

/** Milliseconds until the whole burst is available again. */
export function waitForBurst(tat: number, now: number): number {
  return Math.max(0, tat - now);
}
