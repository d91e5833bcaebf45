import type { CostModel } from "./cost-model.ts";

/**
 * How many rows the next batch should have.
 *
 * Of all sizes that end before the deadline of the item that goes first, the one with the most rows a millisecond: under
 * load that is what empties the queue soonest, and without load everything that waits is small enough to go at once. A
 * batch that is padded to an allowed size costs as much as a full one, so nearly full ones win by themselves.
 *
 * @param waiting rows that could go, at least `first`
 * @param first rows of the item that goes first; it goes whatever the figures say
 * @param budgetMs time until that item's deadline
 * @param costs of this model
 * @param largest rows that may run together
 */
export function chooseBatchRows(
  costs: CostModel,
  bucket: string,
  { waiting, first, largest, budgetMs, now }: BatchChoice,
): number {
  const most = Math.max(first, Math.min(waiting, largest));
  let best = first;
  let bestRate = first / (costs.expectedMs(bucket, first, now) || EPSILON);
  const consider = (rows: number) => {
    if (rows <= first || rows > most || costs.boundMs(bucket, rows, now) > budgetMs) return;
    const rate = rows / (costs.expectedMs(bucket, rows, now) || EPSILON);
    // Of equals the larger: it leaves less behind.
    if (rate >= bestRate) {
      best = rows;
      bestRate = rate;
    }
  };
  for (const size of costs.sizes) consider(size);
  consider(largestInTime(costs, bucket, most, budgetMs, now));
  return best;
}

/** Without any figures every size costs the same, and the largest has the most rows a millisecond. */
const EPSILON = 1e-6;

export interface BatchChoice {
  readonly waiting: number;
  readonly first: number;
  readonly largest: number;
  readonly budgetMs: number;
  readonly now: number;
}

/** The largest batch of at most `size` rows that ends within `budgetMs`; 0 when none does. Larger ones take longer. */
export function largestInTime(costs: CostModel, bucket: string, size: number, budgetMs: number, now: number): number {
  if (costs.boundMs(bucket, size, now) <= budgetMs) return size;
  let fits = 0;
  let tooLarge = size;
  while (tooLarge - fits > 1) {
    const middle = (fits + tooLarge) >> 1;
    if (costs.boundMs(bucket, middle, now) <= budgetMs) fits = middle;
    else tooLarge = middle;
  }
  return fits;
}
