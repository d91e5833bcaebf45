import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { hopBudgetMs } from "./hop-budget.ts";

const remaining = fc.oneof(
  fc.double({ min: -10, max: 100, noNaN: true }),
  fc.double({ min: -1_000, max: 120_000, noNaN: true }),
);

describe("the budget of the next hop", () => {
  test("is never more than what is left, nor less than a millisecond, and whole", () => {
    fc.assert(
      fc.property(remaining, (remainingMs) => {
        const budgetMs = hopBudgetMs(remainingMs);
        if (budgetMs === undefined) assert.ok(remainingMs < 1);
        else assert.ok(budgetMs <= remainingMs && budgetMs >= 1 && Number.isInteger(budgetMs), `${budgetMs}`);
      }),
      { numRuns: 1_000 },
    );
  });

  test("leaves 5 %, 2 ms at least and 50 ms at most, where there is as much", () => {
    assert.deepEqual(
      [10, 40, 200, 1_000, 60_000].map((remainingMs) => hopBudgetMs(remainingMs)),
      [8, 38, 190, 950, 59_950],
    );
  });

  test("is none when nothing is left", () => {
    for (const remainingMs of [0.99, 0, -5, Number.NEGATIVE_INFINITY])
      assert.equal(hopBudgetMs(remainingMs), undefined);
  });

  test("more time left never gives less", () => {
    fc.assert(
      fc.property(remaining, fc.double({ min: 0, max: 2_000, noNaN: true }), (remainingMs, more) => {
        assert.ok((hopBudgetMs(remainingMs + more) ?? 0) >= (hopBudgetMs(remainingMs) ?? 0));
      }),
    );
  });

  test("hops that each take up to their budget all end before the caller's deadline, the last one first", () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 60_000 }), fc.array(fc.nat(30), { maxLength: 5 }), (budgetMs, tookMs) => {
        let [now, deadline] = [0, budgetMs];
        for (const took of tookMs) {
          now += took;
          const next = hopBudgetMs(deadline - now);
          if (next === undefined) return;
          const before = deadline;
          deadline = now + next;
          assert.ok(deadline <= before - (before - now >= 3 ? 2 : 0));
        }
      }),
    );
  });
});
