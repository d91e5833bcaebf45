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

/** At one taking so much of the debt before it was carried over. */
export interface DebtLow {
  readonly at: number;
  readonly ms: number;
}

/** Oldest first; each is lower than all after it. */
export type DebtLows = readonly DebtLow[];

const MOST_LOWS = 16;

/** @param ms what was carried over by the taking at `at`, which is not before any other */
export function carriedOver(lows: DebtLows, at: number, ms: number): DebtLows {
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

/** The most that can be credited of what was granted at a moment, in milliseconds; Infinity when nothing was taken since. */
export function creditable(lows: DebtLows, grantedAt: number): number {
  return lows.find(({ at }) => at > grantedAt)?.ms ?? Number.POSITIVE_INFINITY;
}

/** After a credit: had these units not been granted, all takings since would have carried over so much less. */
export function credited(lows: DebtLows, grantedAt: number, ms: number): DebtLows {
  return lows
    .map((low) => (low.at > grantedAt ? { at: low.at, ms: low.ms - ms } : low))
    .reduce<DebtLows>((kept, { at, ms }) => carriedOver(kept, at, ms), []);
}
