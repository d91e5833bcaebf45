import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { chooseBatchRows, largestInTime } from "./batch-size.ts";
import { batchSizesUpTo, CostModel } from "./cost-model.ts";

function costs(msOf: (rows: number) => number, padded = false): CostModel {
  const model = new CostModel(batchSizesUpTo(64), padded);
  for (const rows of model.sizes) model.seed("a", rows, msOf(rows));
  return model;
}

const LINEAR = costs((rows) => 10 + rows);
const choose = (model: CostModel, waiting: number, budgetMs = Number.POSITIVE_INFINITY, first = 1) =>
  chooseBatchRows(model, "a", { waiting, first, largest: 64, budgetMs, now: 0 });

describe("the size of a batch", () => {
  test("is all that waits, where larger batches are cheaper by row", () => {
    assert.equal(choose(LINEAR, 37), 37);
    assert.equal(choose(LINEAR, 200), 64);
  });

  test("is the size with the most rows a millisecond, where larger ones are dearer", () => {
    assert.equal(
      choose(
        costs((rows) => (rows <= 16 ? 10 + rows : rows * rows)),
        64,
      ),
      16,
    );
  });

  test("leaves a few rows behind rather than fill up to the next size with nothing", () => {
    assert.equal(
      choose(
        costs((rows) => rows, true),
        33,
      ),
      32,
    );
  });

  test("ends before the deadline of the item that goes first, which goes in any case", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 100 }), (waiting, budgetMs) => {
        const rows = choose(LINEAR, waiting, budgetMs);
        assert.ok(rows >= 1 && rows <= Math.min(64, waiting));
        assert.ok(rows === 1 || 10 + rows <= budgetMs);
      }),
    );
    assert.equal(choose(LINEAR, 10, 0, 5), 5);
  });

  test("the largest batch in time is found between the allowed sizes too", () => {
    assert.equal(largestInTime(LINEAR, "a", 64, 47, 0), 37);
    assert.equal(largestInTime(LINEAR, "a", 64, 5, 0), 0);
  });
});
