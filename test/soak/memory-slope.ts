/** Whether memory grows without end, told from readings that jump about. */

const FEWEST = 16;
const LOWEST_OF = 4;

/**
 * Growth from one reading to the next: the median of the slopes between all pairs of the second half (Theil 1950, Sen 1968).
 * The first half is left out, as caches and arenas fill then; up to 29 % of the rest may be outliers. Of every `LOWEST_OF`
 * readings the lowest counts: a garbage collector lets memory rise and fall, and what it has just left is what is kept.
 *
 * @param readings taken at equal steps, at least sixteen
 * @returns in the readings' unit per step
 */
export function growthPerStep(readings: readonly number[]): number {
  if (readings.length < FEWEST) throw new RangeError("too few readings to tell growth from noise");
  const settled = lowest(readings.slice(Math.floor(readings.length / 2)));
  const slopes: number[] = [];
  for (const [from, early] of settled.entries()) {
    for (let to = from + 1; to < settled.length; to++)
      slopes.push(((settled[to] ?? early) - early) / (to - from) / LOWEST_OF);
  }
  slopes.sort((a, b) => a - b);
  const middle = Math.floor(slopes.length / 2);
  const upper = slopes[middle] ?? 0;
  return slopes.length % 2 === 1 ? upper : ((slopes[middle - 1] ?? 0) + upper) / 2;
}

function lowest(readings: readonly number[]): number[] {
  return Array.from({ length: Math.floor(readings.length / LOWEST_OF) }, (_, group) =>
    Math.min(...readings.slice(group * LOWEST_OF, (group + 1) * LOWEST_OF)),
  );
}
