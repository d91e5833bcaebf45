import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { availableUnits } from "./gcra.ts";
import { availableSurplus, leaseLifeMs, takeLease } from "./lease-life.ts";

const limits = fc.record({ perSecond: fc.integer({ min: 1, max: 2000 }), burst: fc.integer({ min: 1, max: 500 }) });
const step = fc.record({
  pause: fc.integer({ min: 0, max: 700 }),
  need: fc.integer({ min: 0, max: 30 }),
  /** Of the surplus that could be had, and when in its life it is spent. */
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  spentAt: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe("leases", () => {
  test("however late they are spent, no window holds more than burst + rate * window", () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 60 }), (limit, steps) => {
        const lifeMs = leaseLifeMs(limit);
        const spent: [at: number, units: number][] = [];
        let [now, tat] = [1e9, 0];
        for (const { pause, need, share, spentAt } of steps) {
          now += pause;
          if (availableUnits(tat, limit, now) < need) continue;
          const surplus = lifeMs === 0 ? 0 : Math.floor(share * availableSurplus(tat, need, lifeMs, limit, now));
          tat = takeLease(tat, need, surplus, lifeMs, limit, now);
          if (need > 0) spent.push([now, need]);
          if (surplus > 0) spent.push([now + spentAt * lifeMs, surplus]);
        }
        let owed = 0;
        for (const [at, units] of spent.sort(([a], [b]) => a - b)) {
          owed = Math.max(owed, at) + (units * 1000) / limit.perSecond;
          const excess = ((owed - at) * limit.perSecond) / 1000 - limit.burst;
          assert.ok(excess <= 1e-3, `${excess} too many`);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("who has been quiet has the whole burst", () => {
    fc.assert(fc.property(limits, (limit) => assert.equal(availableUnits(0, limit, 1e9), limit.burst)));
  });

  test("a limit that refills in no time leaves nothing to lease", () => {
    assert.equal(leaseLifeMs({ perSecond: 1000, burst: 10 }), 0);
    assert.equal(leaseLifeMs({ perSecond: 100, burst: 20 }), 100);
    assert.equal(leaseLifeMs({ perSecond: 1, burst: 1000 }), 1000);
  });
});
