import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { RateLimit } from "./gcra.ts";
import { takeLease } from "./lease-life.ts";
import { carriedOver, creditable, credited, type DebtLows } from "./standing-debt.ts";

const LIFE_MS = 200;

interface Grant {
  readonly at: number;
  readonly need: number;
  readonly surplus: number;
  returned: number;
}

/** What TAT would be had the returned units never been granted. */
const asIfNeverGranted = (grants: readonly Grant[], limit: RateLimit) =>
  grants.reduce(
    (tat, { at, need, surplus, returned }) =>
      Math.max(takeLease(tat, need + surplus - returned, 0, 0, limit, at), floorOf(limit, at, surplus - returned)),
    0,
  );
const floorOf = (limit: RateLimit, at: number, surplus: number) => at + LIFE_MS + (surplus * 1000) / limit.perSecond;

/** Grants with a surplus, of each of which a part comes back, some grants later. */
function afterReturns(
  limit: RateLimit,
  steps: readonly { pause: number; need: number; surplus: number; back: number; later: number }[],
) {
  const grants: Grant[] = [];
  let now = 0;
  let tat = 0;
  let lows: DebtLows = [];
  for (const [index, { pause, need, surplus }] of steps.entries()) {
    now += pause;
    const next = takeLease(tat, need, surplus, LIFE_MS, limit, now);
    lows = carriedOver(lows, now, next - takeLease(0, need, surplus, LIFE_MS, limit, now));
    tat = next;
    grants.push({ at: now, need, surplus, returned: 0 });
    for (const [earlier, { back, later }] of steps.entries()) {
      const grant = grants[earlier];
      if (!grant || earlier + later !== index) continue;
      grant.returned = Math.min(back, grant.surplus);
      const creditMs = Math.min(creditable(lows, grant.at), (grant.returned * 1000) / limit.perSecond);
      tat -= creditMs;
      lows = credited(lows, grant.at, creditMs);
    }
  }
  return { tat, lows, grants };
}

const limits = fc.record({ perSecond: fc.integer({ min: 1, max: 200 }), burst: fc.constant(1_000) });
const step = fc.record({
  // Two grants of one moment cannot be told apart, and need not be: all of the earlier one is still owed at the later.
  pause: fc.integer({ min: 1, max: 400 }),
  need: fc.integer({ min: 0, max: 10 }),
  surplus: fc.integer({ min: 1, max: 10 }),
  back: fc.integer({ min: 0, max: 10 }),
  later: fc.integer({ min: 0, max: 5 }),
});

describe("units that come back", () => {
  test("leave the bucket as if they had never been granted", () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 16 }), (limit, steps) => {
        const { tat, grants } = afterReturns(limit, steps);
        assert.ok(
          Math.abs(tat - asIfNeverGranted(grants, limit)) < 1e-6,
          `${tat - asIfNeverGranted(grants, limit)} ms`,
        );
      }),
      { numRuns: 500 },
    );
  });

  test("are credited less, never more, where there is more to remember than is kept", () => {
    fc.assert(
      fc.property(limits, fc.array(step, { minLength: 17, maxLength: 100 }), (limit, steps) => {
        const { tat, lows, grants } = afterReturns(limit, steps);
        assert.ok(tat >= asIfNeverGranted(grants, limit) - 1e-6);
        assert.ok(lows.length <= 16);
      }),
    );
  });

  test("are credited as far as the debt has stood since", () => {
    // The example of the file's head: 100 ms a unit; at 150 ms 50 ms of the first 200 were still owed.
    const lows = carriedOver(carriedOver([], 0, 0), 150, 50);
    assert.equal(creditable(lows, 0), 50);
    assert.equal(creditable(lows, 150), Number.POSITIVE_INFINITY);
    assert.equal(creditable(credited(lows, 0, 50), 0), 0);
  });
});
