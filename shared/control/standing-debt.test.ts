import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { RateLimit } from "./gcra.ts";
import { takeLease } from "./lease-life.ts";
import { afterGrant, afterReturn, type Debt } from "./standing-debt.ts";

const LIFE_MS = 200;
const NOTHING: Debt = { tat: 0, debtLows: [] };

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
  let debt = NOTHING;
  for (const [index, { pause, need, surplus }] of steps.entries()) {
    now += pause;
    debt = afterGrant(debt, need, surplus, LIFE_MS, limit, now);
    grants.push({ at: now, need, surplus, returned: 0 });
    for (const [earlier, { back, later }] of steps.entries()) {
      const grant = grants[earlier];
      if (!grant || earlier + later !== index) continue;
      grant.returned = Math.min(back, grant.surplus);
      debt = afterReturn(debt, grant.returned, grant.at, limit);
    }
  }
  return { ...debt, grants };
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
        const { tat, debtLows, grants } = afterReturns(limit, steps);
        assert.ok(tat >= asIfNeverGranted(grants, limit) - 1e-6);
        assert.ok(debtLows.length <= 16);
      }),
    );
  });

  test("are credited as far as the debt has stood since", () => {
    // The example of the file's head: at 150 ms 50 ms of the first 200 were still owed.
    const limit = { perSecond: 10, burst: 10 };
    const second = afterGrant(afterGrant(NOTHING, 2, 0, 0, limit, 0), 1, 0, 0, limit, 150);
    assert.equal(second.tat, 300);
    const returned = afterReturn(second, 1, 0, limit);
    assert.equal(returned.tat, 250);
    assert.equal(afterReturn(returned, 1, 0, limit).tat, 250, "nothing of the first grant is owed any more");
    assert.equal(afterReturn(returned, 1, 150, limit).tat, 150, "the second is");
  });
});
