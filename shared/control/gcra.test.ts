import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { availableUnits, type RateLimit, takeUnits, waitForUnits } from "./gcra.ts";

const limits = fc.record({ perSecond: fc.integer({ min: 1, max: 1000 }), burst: fc.integer({ min: 1, max: 200 }) });
const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 20 })), { maxLength: 60 });

/** The worst of all windows: units above burst + rate * W. */
function worstExcess(
  taken: readonly (readonly [at: number, units: number])[],
  { perSecond, burst }: RateLimit,
): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const [first] of taken.entries()) {
    let units = 0;
    for (const [at, count] of taken.slice(first)) {
      units += count;
      worst = Math.max(worst, units - burst - (perSecond * (at - (taken[first]?.[0] ?? 0))) / 1000);
    }
  }
  return worst;
}

describe("GCRA", () => {
  test("no window holds more than burst + rate * window", () => {
    fc.assert(
      fc.property(limits, steps, (limit, attempts) => {
        let [now, tat] = [1e9, 0];
        const taken: [number, number][] = [];
        for (const [pause, units] of attempts) {
          now += pause;
          if (availableUnits(tat, limit, now) < units) continue;
          tat = takeUnits(tat, units, limit, now);
          taken.push([now, units]);
        }
        assert.ok(worstExcess(taken, limit) <= 1e-3);
      }),
    );
  });

  test("after the wait that it tells, and not before, the units are there", () => {
    fc.assert(
      fc.property(
        limits,
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 200 }),
        (limit, first, second) => {
          fc.pre(first <= limit.burst && second <= limit.burst);
          const now = 1e9;
          const tat = takeUnits(0, first, limit, now);
          const wait = waitForUnits(tat, second, limit, now);
          assert.ok(availableUnits(tat, limit, now + wait) >= second);
          if (wait > 1) assert.ok(availableUnits(tat, limit, now + wait - 1 - 1000 / limit.perSecond) < second);
        },
      ),
    );
  });

  test("more than the burst is never there", () => {
    assert.equal(waitForUnits(0, 11, { perSecond: 1, burst: 10 }, 1e9), Number.POSITIVE_INFINITY);
  });
});
