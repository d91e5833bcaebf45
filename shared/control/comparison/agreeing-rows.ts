/** How many rows of two tensors agree: by tolerance, by their largest elements, or by being equal in every bit. */
import type { ComparedPart } from "./compared-part.ts";
import type { LargestDifferences } from "./largest-differences.ts";
import type { Halves, Numbers } from "./tensor-numbers.ts";
import type { Tolerance } from "./tolerance.ts";

/** Rows of which every element is within the tolerance. An infinite difference never is, whatever the stable element. */
export function rowsWithin(
  stable: Numbers,
  candidate: Numbers,
  { rows, elementsPerRow }: ComparedPart,
  { absolute, relative }: Tolerance,
  differences: LargestDifferences,
): number {
  let agreeing = 0;
  let at = 0;
  for (let row = 0; row < rows; row++) {
    let within = true;
    for (const end = at + elementsPerRow; at < end; at++) {
      const a = stable[at] ?? Number.NaN;
      const difference = differences.add(a, candidate[at] ?? Number.NaN);
      // Asked apart: the limit of an infinite element is infinite too.
      if (difference === Number.POSITIVE_INFINITY || difference > absolute + relative * Math.abs(a)) within = false;
    }
    if (within) agreeing += 1;
  }
  return agreeing;
}

/**
 * Rows whose largest element is at the same place, everywhere along the last axis. Of equal ones the first counts, and NaN is larger
 * than any number, as numpy's argmax has it; a NaN at the top agrees only with a NaN there.
 */
export function rowsWithSameTop(
  stable: Numbers,
  candidate: Numbers,
  { rows, elementsPerRow, lastAxis }: ComparedPart,
  differences: LargestDifferences,
): number {
  let agreeing = 0;
  let at = 0;
  for (let row = 0; row < rows; row++) {
    let same = true;
    for (const rowEnd = at + elementsPerRow; at < rowEnd; ) {
      const end = at + lastAxis;
      let topA = Number.NEGATIVE_INFINITY;
      let topB = Number.NEGATIVE_INFINITY;
      let placeA = at;
      let placeB = at;
      for (; at < end; at++) {
        const a = stable[at] ?? Number.NaN;
        const b = candidate[at] ?? Number.NaN;
        differences.add(a, b);
        if (isAbove(a, topA)) {
          topA = a;
          placeA = at;
        }
        if (isAbove(b, topB)) {
          topB = b;
          placeB = at;
        }
      }
      if (placeA !== placeB || Number.isNaN(topA) !== Number.isNaN(topB)) same = false;
    }
    if (same) agreeing += 1;
  }
  return agreeing;
}

function isAbove(value: number, top: number): boolean {
  return value > top || (Number.isNaN(value) && !Number.isNaN(top));
}

/** Rows of 64-bit integers that are equal in every element, exact beyond 2^53, and so are their differences up to 2^53. */
export function rowsOfEqualLongs(
  stable: Halves,
  candidate: Halves,
  { rows, elementsPerRow }: ComparedPart,
  differences: LargestDifferences,
): number {
  let agreeing = 0;
  let at = 0;
  for (let row = 0; row < rows; row++) {
    let equal = true;
    for (const end = at + 2 * elementsPerRow; at < end; at += 2) {
      const lowA = stable.low[at] ?? 0;
      const lowB = candidate.low[at] ?? 0;
      const highA = stable.high[at + 1] ?? 0;
      const highB = candidate.high[at + 1] ?? 0;
      if (lowA === lowB && highA === highB) continue;
      equal = false;
      // Halves are subtracted before they are put together: each step but the last addition is exact.
      const difference = Math.abs((highA - highB) * 2 ** 32 + (lowA - lowB));
      differences.addFinite(difference, highA * 2 ** 32 + lowA, highB * 2 ** 32 + lowB);
    }
    if (equal) agreeing += 1;
  }
  return agreeing;
}
