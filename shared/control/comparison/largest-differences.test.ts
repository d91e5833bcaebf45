import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LargestDifferences, RELATIVE_FLOOR } from "./largest-differences.ts";

const largest = (...pairs: readonly [a: number, b: number][]) => {
  const differences = new LargestDifferences();
  for (const [a, b] of pairs) differences.add(a, b);
  return [differences.absolute, differences.relative];
};

describe("the largest differences", () => {
  test("the absolute and the relative one may be of different pairs, whichever comes first", () => {
    assert.deepEqual(largest([1000, 1010], [1, 2], [5, 5]), [10, 0.5]);
    assert.deepEqual(largest([1, 2], [1000, 1010]), [10, 0.5]);
    assert.deepEqual(largest([-3, 3]), [6, 2]);
  });

  test("of numbers next to nothing no relative difference is made", () => {
    assert.deepEqual(largest([0, RELATIVE_FLOOR / 4]), [RELATIVE_FLOOR / 4, 0.25]);
    assert.deepEqual(largest([0, RELATIVE_FLOOR * 4]), [RELATIVE_FLOOR * 4, 1]);
  });

  test("NaN and NaN, or the same infinity, differ by nothing; with anything else by infinity", () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1];
    for (const a of odd) {
      for (const b of odd) {
        const expected = Object.is(a, b) ? 0 : Number.POSITIVE_INFINITY;
        assert.deepEqual(largest([a, b]), [expected, expected], `${a} and ${b}`);
        assert.equal(new LargestDifferences().add(a, b), expected);
      }
    }
    assert.deepEqual(largest([0, -0]), [0, 0]);
  });

  test("a difference that overflows is infinite", () => {
    const { MAX_VALUE: most, POSITIVE_INFINITY: endless } = Number;
    assert.deepEqual(largest([most, -most]), [endless, endless]);
  });
});
