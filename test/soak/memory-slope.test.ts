import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { growthPerStep } from "./memory-slope.ts";

const steps = (count: number, at: (step: number) => number) => Array.from({ length: count }, (_, step) => at(step));

describe("growth of memory", () => {
  test("a line's growth is its slope, whatever it starts from", () => {
    fc.assert(
      fc.property(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 16, max: 60 }), (slope, count) => {
        assert.equal(growthPerStep(steps(count, (step) => 1_000 + slope * step)), slope);
      }),
    );
  });

  test("what fills up in the first half is no growth", () => {
    assert.equal(growthPerStep(steps(40, (step) => Math.min(step, 20) * 10)), 0);
  });

  test("a few readings that are far off do not matter", () => {
    const readings = steps(40, (step) => 100 + 2 * step + (step % 7 === 0 ? 10_000 : 0));
    assert.ok(Math.abs(growthPerStep(readings) - 2) < 0.5);
  });

  test("noise around a level is not taken for growth, and a leak beneath noise is", () => {
    const noise = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 100, maxLength: 100 });
    fc.assert(
      fc.property(noise, (jitter) => {
        const level = jitter.map((each) => 500 + each);
        assert.ok(Math.abs(growthPerStep(level)) < 1.5);
        assert.ok(growthPerStep(level.map((each, step) => each + 3 * step)) > 1.5);
      }),
      { numRuns: 200 },
    );
  });

  test("too few readings are refused", () => {
    assert.throws(() => growthPerStep([1, 2, 3]), RangeError);
  });
});
