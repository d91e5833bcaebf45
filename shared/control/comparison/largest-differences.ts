/** Below this a number is as good as 0: relative to less, noise would look like a difference. */
export const RELATIVE_FLOOR = 1e-12;

/**
 * How far apart the elements of two tensors are at most.
 *
 * Of two numbers the absolute difference is |a - b|, the relative one |a - b| / max(|a|, |b|, `RELATIVE_FLOOR`): the same whichever of the
 * two comes first, and at most 2. NaN and NaN, or an infinity and the same one, differ by 0; either of them and anything
 * else differs by Infinity, in both, and so do two FP64 whose difference overflows.
 */
export class LargestDifferences {
  absolute = 0;
  relative = 0;

  /** @returns the absolute difference of this pair */
  add(a: number, b: number): number {
    if (a === b) return 0;
    const difference = Math.abs(a - b);
    if (difference < Number.POSITIVE_INFINITY) return this.addFinite(difference, a, b);
    if (Number.isNaN(a) && Number.isNaN(b)) return 0;
    this.absolute = Number.POSITIVE_INFINITY;
    this.relative = Number.POSITIVE_INFINITY;
    return Number.POSITIVE_INFINITY;
  }

  /** The same where the caller knows the difference better than a - b would tell it. */
  addFinite(difference: number, a: number, b: number): number {
    if (difference > this.absolute) this.absolute = difference;
    const relative = difference / Math.max(Math.abs(a), Math.abs(b), RELATIVE_FLOOR);
    if (relative > this.relative) this.relative = relative;
    return difference;
  }
}
