import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { batchSizesUpTo, CostModel } from "./cost-model.ts";

/** Seeded with 10 ms and 1 ms a row. */
function seeded(largest = 64, padded = false): CostModel {
  const costs = new CostModel(batchSizesUpTo(largest), padded);
  for (const rows of costs.sizes) costs.seed("a", rows, 10 + rows);
  return costs;
}

describe("the cost model", () => {
  test("sizes are the powers of two up to the largest, and the largest", () => {
    assert.deepEqual(batchSizesUpTo(1), [1]);
    assert.deepEqual(batchSizesUpTo(24), [1, 2, 4, 8, 16, 24]);
    assert.deepEqual(batchSizesUpTo(64), [1, 2, 4, 8, 16, 32, 64]);
  });

  test("between two sizes it interpolates", () => {
    for (let rows = 1; rows <= 64; rows++) assert.ok(Math.abs(seeded().expectedMs("a", rows, 0) - 10 - rows) < 1e-9);
  });

  test("where batches are filled up, a batch costs what the next size does", () => {
    assert.equal(seeded(64, true).expectedMs("a", 33, 0), 74);
  });

  test("runs replace the seed; the mean is expected, the second slowest is the bound", () => {
    const costs = seeded();
    for (let run = 0; run < 8; run++) for (const ms of [20, 22, 24, 26]) costs.observe("a", 8, ms, 0);
    costs.observe("a", 8, 90, 0);
    assert.ok(Math.abs(costs.expectedMs("a", 8, 1) - 826 / 33) < 1e-9);
    assert.equal(costs.boundMs("a", 8, 1), 26);
  });

  test("one odd run moves what is expected by little, so that it does not change the best batch size", () => {
    const costs = seeded();
    costs.observe("a", 64, 74 * 1.13, 0);
    assert.ok(costs.expectedMs("a", 64, 0) < 74 * 1.02);
    assert.ok(64 / costs.expectedMs("a", 64, 0) > 32 / costs.expectedMs("a", 32, 0));
  });

  test("the bound is never below what is expected, and of few runs it is the slowest", () => {
    const costs = seeded();
    costs.observe("a", 8, 30, 0);
    costs.observe("a", 8, 42, 0);
    assert.equal(costs.boundMs("a", 8, 0), 42);
    const quick = seeded();
    quick.observe("a", 8, 5, 0);
    assert.ok(quick.boundMs("a", 8, 0) >= quick.expectedMs("a", 8, 0));
  });

  test("a run of a size in between counts for the nearest, in proportion", () => {
    const costs = seeded();
    for (let run = 0; run < 8; run++) costs.observe("a", 60, 2 * costs.expectedMs("a", 60, 0), 0);
    const [before, after] = [seeded().expectedMs("a", 64, 0), costs.expectedMs("a", 64, 0)];
    assert.ok(after > before * 2 && costs.expectedMs("a", 32, 0) === 42, String(after));
  });

  test("what has not been confirmed for ten seconds falls back to the seed, and old runs do not come back", () => {
    const costs = seeded();
    costs.observe("a", 8, 500, 0);
    assert.equal(costs.boundMs("a", 8, 9_999), 500);
    assert.equal(costs.boundMs("a", 8, 10_000), 18);
    for (let run = 0; run < 8; run++) costs.observe("a", 8, 19, 20_000);
    assert.equal(costs.expectedMs("a", 8, 20_000), 19);
  });

  test("only the last runs count", () => {
    const costs = seeded();
    for (let run = 0; run < 64; run++) costs.observe("a", 8, 500, run);
    for (let run = 0; run < 64; run++) costs.observe("a", 8, 20, 100 + run);
    assert.equal(costs.boundMs("a", 8, 200), 20);
  });

  test("a shape that was never seen is taken to cost what the first one does", () => {
    assert.equal(seeded().expectedMs("never seen", 8, 0), 18);
    assert.equal(new CostModel([1, 2]).expectedMs("a", 1, 0), 0);
  });

  test("any number of shapes is remembered by the last ones used, and the first", () => {
    const costs = seeded();
    for (let shape = 0; shape < 1_000; shape++) costs.observe(`shape ${shape}`, 1, 5, 0);
    const buckets = new Set(costs.table(0).map(({ bucket }) => bucket));
    assert.equal(buckets.size, 64);
    assert.ok(buckets.has("a") && buckets.has("shape 999"));
  });

  test("the least is the quickest of seed and runs, in proportion where a size was never run", () => {
    const costs = seeded();
    costs.observe("a", 8, 500, 0);
    assert.equal(costs.leastMs("a", 8), 18);
    const unseeded = new CostModel([1, 2, 4]);
    unseeded.observe("b", 1, 5, 0);
    assert.equal(unseeded.leastMs("b", 3), 15);
  });

  test("whatever is observed, every figure is a finite number above 0", () => {
    const run = fc.record({
      rows: fc.integer({ min: 1, max: 64 }),
      ms: fc.double({ min: 0.01, max: 1e4, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 50 }), fc.integer({ min: 1, max: 64 }), (runs, rows) => {
        const costs = seeded();
        for (const [at, one] of runs.entries()) costs.observe("a", one.rows, one.ms, at);
        for (const ms of [costs.expectedMs("a", rows, 50), costs.boundMs("a", rows, 50), costs.leastMs("a", rows)]) {
          assert.ok(Number.isFinite(ms) && ms > 0);
        }
      }),
    );
  });
});
