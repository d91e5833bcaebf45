import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArrivalProcess, ArrivalTimes } from "./arrivals.ts";

function times(process: ArrivalProcess, count: number, seed = 1): number[] {
  const arrivals = new ArrivalTimes(process, 1_000, seed);
  return Array.from({ length: count }, () => {
    const { next } = arrivals;
    arrivals.advance();
    return next;
  });
}

describe("arrivals", () => {
  test("Poisson: the rate asked for, with gaps that vary as much as they last", () => {
    const moments = times({ kind: "poisson", perSecond: 500 }, 20_000);
    const gaps = moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    assert.ok(Math.abs(mean - 2) < 0.05, `mean ${mean}`);
    assert.ok(Math.abs(deviation / mean - 1) < 0.05, `deviation ${deviation}`);
  });

  test("bursts: nothing comes in the silences", () => {
    for (const moment of times({ kind: "bursts", perSecond: 500, onMs: 200, offMs: 300 }, 2_000)) {
      assert.ok((moment - 1_000) % 500 <= 200.001, String(moment));
    }
  });

  test("the same seed gives the same moments, another one others", () => {
    const process = { kind: "poisson", perSecond: 100 } as const;
    assert.deepEqual(times(process, 50, 7), times(process, 50, 7));
    assert.notDeepEqual(times(process, 50, 7), times(process, 50, 8));
  });
});
