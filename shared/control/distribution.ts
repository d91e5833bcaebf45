/**
 * How values are distributed, as counts by size: each bucket spans a ninth of its value, so a quantile is off by no more than that,
 * over any number of isolates whose counts are added up. At most `MOST_BUCKETS` of them, whatever comes.
 *
 *     const latencies = newDistribution();
 *     observe(latencies, 12.5);
 *     quantile(latencies, 0.99);
 *
 * Plain data, so that it can be told from one process to another and stored as it is.
 */
import { z } from "zod";

/** Buckets for each doubling. */
const RESOLUTION = 8;
/** 2^-40 to 2^40: from below the last bit of a float to months in milliseconds. What is less, 0 and below included, is the lowest. */
const LOWEST = -40 * RESOLUTION;
const HIGHEST = 40 * RESOLUTION;
export const MOST_BUCKETS = HIGHEST - LOWEST + 1;

export const distributionSchema = z.strictObject({
  count: z.int().min(0),
  /** Counts by the number of the bucket. */
  buckets: z.record(
    z
      .string()
      .regex(/^(?:0|-?[1-9]\d{0,2})$/)
      .refine((name) => Number(name) >= LOWEST && Number(name) <= HIGHEST),
    z.int().min(1),
  ),
});
export type Distribution = z.infer<typeof distributionSchema>;

export function newDistribution(): Distribution {
  return { count: 0, buckets: {} };
}

/** Adds a value. One that is no number counts as the largest: a difference that cannot be told is not a small one. */
export function observe(distribution: Distribution, value: number, times = 1): void {
  const bucket = Number.isNaN(value) ? HIGHEST : bucketOf(value);
  distribution.buckets[bucket] = (distribution.buckets[bucket] ?? 0) + times;
  distribution.count += times;
}

/** Adds what another one has counted. */
export function merge(into: Distribution, from: Distribution): void {
  for (const [bucket, count] of Object.entries(from.buckets))
    into.buckets[bucket] = (into.buckets[bucket] ?? 0) + count;
  into.count += from.count;
}

/**
 * The value that a share of all values do not exceed, to within a bucket: the upper end of its bucket, 0 for the lowest.
 *
 * @param share from 0 to 1
 * @returns undefined of an empty distribution
 */
export function quantile(distribution: Distribution, share: number): number | undefined {
  if (distribution.count === 0) return undefined;
  const rank = Math.max(1, Math.ceil(share * distribution.count));
  let seen = 0;
  for (const [bucket, count] of inOrder(distribution)) {
    seen += count;
    if (seen >= rank) return upperEnd(bucket);
  }
  return upperEnd(HIGHEST);
}

/** How many values were above a limit, as far as buckets tell: those of the limit's own bucket are not. */
export function countAbove({ buckets }: Distribution, limit: number): number {
  const own = bucketOf(limit);
  return Object.entries(buckets).reduce((sum, [bucket, count]) => (Number(bucket) > own ? sum + count : sum), 0);
}

function inOrder({ buckets }: Distribution): [bucket: number, count: number][] {
  return Object.entries(buckets)
    .map(([bucket, count]): [number, number] => [Number(bucket), count])
    .sort(([a], [b]) => a - b);
}

/** A bucket holds what is above the upper end of the one below it, up to its own. */
function bucketOf(value: number): number {
  if (value <= 0) return LOWEST;
  return Math.min(HIGHEST, Math.max(LOWEST, Math.ceil(Math.log2(value) * RESOLUTION)));
}

function upperEnd(bucket: number): number {
  return bucket === LOWEST ? 0 : 2 ** (bucket / RESOLUTION);
}
