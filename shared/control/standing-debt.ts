/**
 * How much of what was granted once the bucket still owes, so that units which come back unspent are credited as far as they
 * are still being paid for, and not what time has paid already.
 *
 * TAT is a running maximum: whenever something is taken, `max(TAT, ...)` drops the part of the debt that the bucket had already
 * refilled. A unit that is returned later must lower TAT to where it would be had the unit never been granted, and between the
 * two lies no more than the least debt that was carried over by any taking since. With 100 ms a unit:
 *
 *     0 ms    1 + 1 units granted      TAT 200   as if one had been: 100
 *     150 ms  1 unit taken             TAT 300   as if: 250; 50 ms of debt were carried over
 *     180 ms  1 unit of the first comes back: 50 ms are credited, not 100
 *
 * Pure. Bounded: `MOST_LOWS` entries; what is forgotten beyond them is credited less, never more.
 */
import type { RateLimit } from "./gcra.ts";
import { takeLease } from "./lease-life.ts";

/** What a bucket owes. Times are on the owner's clock, in milliseconds. */
export interface Debt {
  readonly tat: number;
  readonly debtLows: DebtLows;
}

/** At one taking so much of the debt before it was carried over. */
interface DebtLow {
  readonly at: number;
  readonly ms: number;
}

/** Oldest first; each is lower than all after it. */
export type DebtLows = readonly DebtLow[];

const MOST_LOWS = 16;

/** The debt after what is needed was granted, and a surplus that may be spent within its life. */
export function afterGrant(
  { tat, debtLows }: Debt,
  needed: number,
  surplus: number,
  lifeMs: number,
  limit: RateLimit,
  now: number,
): Debt {
  const after = takeLease(tat, needed, surplus, lifeMs, limit, now);
  const fromFull = takeLease(0, needed, surplus, lifeMs, limit, now);
  return { tat: after, debtLows: carriedOver(debtLows, now, after - fromFull) };
}

/** The debt after units of what was granted at a moment have come back unspent. */
export function afterReturn({ tat, debtLows }: Debt, units: number, grantedAt: number, limit: RateLimit): Debt {
  const mostMs = debtLows.find(({ at }) => at > grantedAt)?.ms ?? Number.POSITIVE_INFINITY;
  const creditMs = Math.min(mostMs, (units * 1000) / limit.perSecond);
  // Had these units not been granted, all takings since would have carried over so much less.
  const lower = debtLows.map((low) => (low.at > grantedAt ? { at: low.at, ms: low.ms - creditMs } : low));
  return {
    tat: tat - creditMs,
    debtLows: lower.reduce<DebtLows>((kept, { at, ms }) => carriedOver(kept, at, ms), []),
  };
}

/** @param ms what was carried over by the taking at `at`, which is not before any other */
function carriedOver(lows: DebtLows, at: number, ms: number): DebtLows {
  const kept = [...lows.filter((low) => low.ms < ms), { at, ms }];
  return kept.length > MOST_LOWS ? withoutOne(kept) : kept;
}

/** The two that differ least become one, as low as the one and as late as the other. */
function withoutOne(lows: DebtLows): DebtLows {
  const rises = lows.slice(1).map(({ ms }, index) => ms - (lows[index]?.ms ?? 0));
  const merged = rises.indexOf(Math.min(...rises));
  return lows.flatMap(({ at, ms }, index) => {
    if (index === merged) return [];
    return [{ at, ms: index === merged + 1 ? (lows[merged]?.ms ?? ms) : ms }];
  });
}
