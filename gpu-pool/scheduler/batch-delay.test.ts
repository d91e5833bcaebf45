import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ArrivalRate, worthwhileDelay } from "./batch-delay.ts";
import { CostModel } from "./cost-model.ts";

const costs = new CostModel([1, 2, 4]);
for (const rows of costs.sizes) costs.seed("a", rows, 10 + rows);
const delay = (waiting: number, until: number, arrivalsPerMs: number) =>
  worthwhileDelay(costs, "a", { waiting, until, arrivalsPerMs, now: 0 });

describe("waiting for a fuller batch", () => {
  test("is worth it when the next size is reached in time, and lasts until then", () => {
    assert.equal(delay(2, 10, 0.5), 4);
  });

  test("is not when too little comes, there is no time, or the batch is full", () => {
    assert.equal(delay(2, 10, 0.1), 0);
    assert.equal(delay(2, 0, 5), 0);
    assert.equal(delay(2, 10, 0), 0);
    assert.equal(delay(4, 10, 5), 0);
  });

  test("is not when a larger batch is no cheaper by row", () => {
    const dear = new CostModel([1, 2]);
    dear.seed("a", 1, 10);
    dear.seed("a", 2, 20);
    assert.equal(worthwhileDelay(dear, "a", { waiting: 1, until: 10, arrivalsPerMs: 5, now: 0 }), 0);
  });

  test("the arrival rate follows what comes and forgets what came", () => {
    const rate = new ArrivalRate();
    for (let ms = 0; ms < 2_000; ms += 2) rate.arrived(1, ms);
    assert.ok(Math.abs(rate.perMs(2_000) - 0.5) < 0.05);
    assert.ok(rate.perMs(4_000) < 0.001);
  });
});
