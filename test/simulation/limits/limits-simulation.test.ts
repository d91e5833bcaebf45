/** What the limiter promises, whatever isolates and network do. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { simulateWorld } from "./world.ts";

/** Of a unit: GCRA allows for a millionth a taking. */
const ROUNDING = 0.01;

const worlds = fc.record({
  seed: fc.integer({ min: 1, max: 1e9 }),
  perSecond: fc.integer({ min: 5, max: 2_000 }),
  burst: fc.integer({ min: 5, max: 1_000 }),
  concurrency: fc.option(fc.integer({ min: 1, max: 40 })),
  sites: fc.integer({ min: 1, max: 20 }),
  isolatesPerSite: fc.integer({ min: 1, max: 10 }),
  load: fc.double({ min: 0.2, max: 5, noNaN: true }),
  units: fc.integer({ min: 1, max: 5 }),
  lost: fc.constantFrom(0, 0, 0.02),
  crashes: fc.constantFrom(0, 0, 0.01),
  failing: fc.constantFrom(0, 0.2),
});

/** Whose isolate had the units for a request and never heard of the slot that it was granted for it. */
const LOST_SLOT = {
  seed: 621_305_002,
  perSecond: 8,
  burst: 50,
  concurrency: 20,
  sites: 6,
  isolatesPerSite: 4,
  load: 4.12294059708024,
  units: 1,
  lost: 0.02,
  crashes: 0,
  failing: 0,
} as const;

/** Whose unspent unit came back when time had paid a part of it. */
const PAID_IN_PART = {
  seed: 915_259_832,
  perSecond: 15,
  burst: 7,
  concurrency: 4,
  sites: 3,
  isolatesPerSite: 3,
  load: 4.777613177389443,
  units: 5,
  lost: 0,
  crashes: 0,
  failing: 0,
} as const;

describe("limits over sites and isolates", () => {
  test("in no window is more admitted than the limit, in flight or by rate; quotas count what was used", () => {
    fc.assert(
      fc.property(worlds, ({ perSecond, burst, concurrency, load, units, ...world }) => {
        const report = simulateWorld({
          ...world,
          units,
          limits: { rate: { perSecond, burst }, concurrency, quotaPerMonth: 1_000_000_000 },
          arrivalsPerSecond: () => (load * perSecond) / units,
          seconds: Math.max(1, Math.min(5, 4_000 / (load * perSecond))),
        });
        assert.ok(!(report.worstExcess > ROUNDING), `${report.worstExcess} units too many`);
        if (concurrency !== null) assert.ok(report.mostInFlight <= concurrency, `${report.mostInFlight} in flight`);
        assert.equal(report.slotsLeft, 0, "slots are free again");
        const used = report.used * units;
        if (world.lost + world.crashes === 0) assert.equal(report.charged, used, "the quota counts what was used");
        else assert.ok(report.charged >= used);
      }),
      { numRuns: 150, examples: [[LOST_SLOT], [PAID_IN_PART]] },
    );
  });

  for (const [name, burst] of [
    ["a second's burst", 100],
    ["a short burst", 20],
  ] as const) {
    test(`five times the rate, ${name}, from 8 isolates: all of the limit is used, mostly without a hop`, () => {
      const report = simulateWorld({
        ...{ limits: { rate: { perSecond: 100, burst } }, sites: 1, isolatesPerSite: 8 },
        ...{ arrivalsPerSecond: () => 500, seconds: 60, seed: 1 },
      });
      const share = report.admitted / report.ideal;
      assert.ok(share >= 0.97 && share <= 1 + 1 / report.ideal, `${share} of what could be admitted`);
      assert.equal(report.p50Ms, 0);
    });
  }

  test("1,000 isolates at 300 sites near the limit: nobody is refused, half ask nobody, little is wasted", () => {
    const report = simulateWorld({
      ...{ limits: { rate: { perSecond: 10_000, burst: 10_000 } }, sites: 300, isolatesPerSite: 1000 / 300 },
      ...{ arrivalsPerSecond: () => 8_000, seconds: 10, seed: 1 },
    });
    assert.equal(report.admitted, report.offered);
    assert.equal(report.p50Ms, 0);
    assert.ok(report.wasted < 0.08, `${report.wasted} wasted`);
  });

  test("sparse callers waste nothing", () => {
    const report = simulateWorld({
      ...{ limits: { rate: { perSecond: 100, burst: 100 } }, sites: 300, isolatesPerSite: 1_000 },
      ...{ arrivalsPerSecond: () => 50, seconds: 60, seed: 1 },
    });
    assert.equal(report.admitted, report.offered);
    assert.ok(report.wasted < 0.001);
  });
});
