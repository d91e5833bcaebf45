/**
 * Whether the candidate is slower than it may be: latencies of both versions in classes, between the same quantiles of
 * the stable one's.
 *
 * "At most r times as slow" says that for any latency t, the candidate exceeds r t no more often than the stable
 * version exceeds t at the same time. So no quantile has to be known: any cuts are valid, and cuts that are old, from
 * another load or from few requests only make the test weaker. When load moves both versions, nothing has to follow at
 * once. Cuts are ends of buckets, which costs only this: r t is rounded up to the next one, so 1.5 acts as 1.54.
 *
 * Worst case: the cuts are from the 30 seconds before the last 30; where there are few requests, from 100 before the
 * last 100.
 */
import { z } from "zod";
import {
  countAbove,
  type Distribution,
  distributionSchema,
  merge,
  newDistribution,
  quantile,
} from "../distribution.ts";
import { againstLarger } from "./likelihood-ratio.ts";

/**
 * With these, a general slowdown tells nine tenths of what all of the latencies would; the last one is for what is slow
 * now and then.
 */
const CUTS_AT = [0.2, 0.5, 0.8, 0.99];
/**
 * A class's place among latencies of which the logarithm is normal, in standard deviations: the mean between its cuts.
 */
const PLACES = [-1.4, -0.4, 0.4, 1.33, 2.67];
/** The alternatives: all is slower by so many standard deviations; so many times as much is above the last cut. */
const SHIFTS = [0.3, 0.6, 1.2, 2.4];
const TAILS = [4, 20];
const TILTS = [
  ...SHIFTS.map((shift) => PLACES.map((place) => Math.exp(shift * place))),
  ...TAILS.map((tail) => PLACES.map((_, index) => (index === CUTS_AT.length ? tail : 1))),
];
const WINDOW_MS = 30_000;
const FEWEST = 100;
/** What clocks that count milliseconds cannot tell apart. */
const SAME_MS = 2;
/** Into the bucket whose end the cut is, whichever way its logarithm is rounded. */
const INSIDE = 1 - 1e-9;

export const latencyReferenceSchema = z.strictObject({
  /** Since when `recent` has been filled; milliseconds. */
  since: z.number(),
  recent: distributionSchema,
  /** Null: too few latencies are known. */
  cuts: z
    .strictObject({
      /** How many latencies they are from. */
      of: z.int().min(FEWEST),
      ms: z.array(z.number()).length(CUTS_AT.length),
      /** The stable version's shares of the classes, lowest first, none of them 0. */
      expected: z.array(z.number()).length(PLACES.length),
    })
    .nullable(),
});
export type LatencyReference = z.infer<typeof latencyReferenceSchema>;
type Cuts = NonNullable<LatencyReference["cuts"]>;

export function newReference(now: number): LatencyReference {
  return { since: now, recent: newDistribution(), cuts: null };
}

/** The reference after more of the stable version's latencies. */
export function referenceWith(before: LatencyReference, latencyMs: Distribution, now: number): LatencyReference {
  const { since, cuts } = before;
  const recent = { count: before.recent.count, buckets: { ...before.recent.buckets } };
  merge(recent, latencyMs);
  if (recent.count < FEWEST) return { since, recent, cuts };
  if (now - since >= WINDOW_MS) return { since: now, recent: newDistribution(), cuts: cutsOf(recent) };
  // The first cuts are rough: twice as many latencies make better ones.
  return { since, recent, cuts: recent.count >= 2 * (cuts?.of ?? 0) ? cutsOf(recent) : cuts };
}

/**
 * What a look says against the candidate, for `updated` of `sequential-test.ts`.
 *
 * @param cuts from before the look: what depends on the latencies that it cuts would bias the test
 * @param ratio how many times as slow the candidate may be
 */
export function againstSlower(
  { ms, expected }: Cuts,
  ratio: number,
  candidate: Distribution,
  stable: Distribution,
): number[] | undefined {
  const allowed = ms.map((cut) => Math.max(ratio * cut, cut + SAME_MS));
  return againstLarger(expected, TILTS, classes(candidate, allowed), stableClasses(stable, ms));
}

function cutsOf(latencyMs: Distribution): Cuts {
  const ms = CUTS_AT.map((share) => quantile(latencyMs, share) ?? 0);
  // Half a latency more in each, for what has not been seen is not impossible.
  const expected = stableClasses(latencyMs, ms).map((count) => (count + 0.5) / (latencyMs.count + PLACES.length / 2));
  return { of: latencyMs.count, ms, expected };
}

function stableClasses(latencyMs: Distribution, cuts: readonly number[]): number[] {
  return classes(
    latencyMs,
    cuts.map((cut) => cut * INSIDE),
  );
}

/** How many values lie up to the first cut, between each and the next, and above the last. */
function classes(distribution: Distribution, cuts: readonly number[]): number[] {
  const above = [distribution.count, ...cuts.map((cut) => countAbove(distribution, cut)), 0];
  return above.slice(1).map((more, index) => (above[index] ?? 0) - more);
}
