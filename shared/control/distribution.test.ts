import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  countAbove,
  distributionSchema,
  MOST_BUCKETS,
  merge,
  newDistribution,
  observe,
  quantile,
} from "./distribution.ts";

const of = (values: readonly number[]) => {
  const distribution = newDistribution();
  for (const value of values) observe(distribution, value);
  return distribution;
};
const values = fc.array(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 200 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe("distributions", () => {
  test("a quantile is the exact one or above it, by less than a bucket", () => {
    fc.assert(
      fc.property(values, share, (list, q) => {
        const exact = list.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(q * list.length)) - 1] ?? Number.NaN;
        const told = quantile(of(list), q) ?? Number.NaN;
        assert.ok(told >= exact * (1 - 1e-12) && told <= exact * 2 ** (1 / 8) * (1 + 1e-12), `${told} for ${exact}`);
      }),
    );
  });

  test("merging parts is the same as observing all", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const merged = of(a);
        merge(merged, of(b));
        assert.deepEqual(merged, of([...a, ...b]));
      }),
    );
  });

  test("what is above a limit is counted, of its own bucket nothing", () => {
    assert.equal(countAbove(of([1, 2, 4, 4.01, 8]), 4), 2);
    assert.equal(countAbove(of([0, -1, 1e-30, 5]), 0), 1);
  });

  test("nothing, endless and no numbers have their place, and the buckets are bounded", () => {
    assert.equal(quantile(newDistribution(), 0.5), undefined);
    assert.equal(quantile(of([0, -5]), 1), 0);
    const odd = of([Number.POSITIVE_INFINITY, Number.NaN, Number.MAX_VALUE]);
    assert.equal(quantile(odd, 0), 2 ** 40);
    const everything = of(Array.from({ length: 4_000 }, (_, index) => 2 ** (index / 2 - 1_000)));
    assert.ok(Object.keys(everything.buckets).length <= MOST_BUCKETS);
    assert.ok(distributionSchema.safeParse(everything).success);
  });

  test("one that was made up is refused", () => {
    for (const bucket of ["321", "-321", "01", "x", "-0"]) {
      assert.ok(!distributionSchema.safeParse({ count: 1, buckets: { [bucket]: 1 } }).success, bucket);
    }
  });
});
