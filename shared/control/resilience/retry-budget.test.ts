import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { attempted, newRetryBudget, type RetryBudget, retry } from "./retry-budget.ts";

const run = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("attempt" as const), times: fc.nat(60) }),
    fc.record({ kind: fc.constant("retry" as const), times: fc.nat(15) }),
  ),
  { maxLength: 40, size: "max" },
);
type Event = "attempt" | "retry";

/** What was sent, in order: the retries are those that were allowed. */
function sent(steps: readonly { kind: Event; times: number }[], first = newRetryBudget()) {
  let budget = first;
  const events: Event[] = [];
  for (const kind of steps.flatMap(({ kind, times }) => Array.from({ length: times }, () => kind))) {
    const after = kind === "attempt" ? attempted(budget) : retry(budget);
    if (!after) continue;
    budget = after;
    events.push(kind);
  }
  return { budget, events };
}

/** How many retries can be sent one after the other. */
function affords(budget: RetryBudget): number {
  const after = retry(budget);
  return after ? 1 + affords(after) : 0;
}

describe("the retry budget", () => {
  test("over any run, retries are at most a tenth of first attempts and two more", () => {
    fc.assert(
      fc.property(run, (steps) => {
        let [attempts, retries] = [0, 0];
        for (const event of sent(steps).events) {
          if (event === "attempt") attempts++;
          else retries++;
          assert.ok(retries * 10 <= attempts + 20, `${retries} retries of ${attempts} attempts`);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("in any stretch of a run, retries are at most a tenth of first attempts and ten more", () => {
    fc.assert(
      fc.property(run, (steps) => {
        // The most that any stretch up to here has above a tenth, in tenths of a retry.
        let worst = 0;
        for (const event of sent(steps).events) {
          worst = Math.max(0, worst + (event === "retry" ? 10 : -1));
          assert.ok(worst <= 100, `${worst / 10} above a tenth`);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("a tenth is not only the most but what there is: none is lost below the cap", () => {
    fc.assert(
      fc.property(fc.nat(80), (attempts) => {
        const { budget } = sent([{ kind: "attempt", times: attempts }]);
        assert.equal(affords(budget), 2 + Math.floor(attempts / 10));
      }),
    );
  });

  test("an isolate that has asked nothing yet may retry twice", () => {
    assert.equal(affords(newRetryBudget()), 2);
  });

  test("after any run, ten first attempts afford a retry", () => {
    fc.assert(
      fc.property(run, (steps) => {
        const { budget } = sent([{ kind: "attempt", times: 10 }], sent(steps).budget);
        assert.ok(affords(budget) >= 1);
      }),
    );
  });
});
