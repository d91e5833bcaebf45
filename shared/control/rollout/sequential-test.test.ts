import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  eValue,
  MOST_PER_LOOK,
  newTest,
  type SequentialTest,
  sequentialTestSchema,
  updated,
} from "./sequential-test.ts";

const inside = fc.double({ min: 0.01, max: 0.99, noNaN: true });
/** Bets on a coin that shows heads with a probability of `fair`, by gamblers who each believe in another one. */
const bets = (fair: number, believed: readonly number[], heads: boolean) =>
  believed.map((share) => (heads ? Math.log(share / fair) : Math.log((1 - share) / (1 - fair))));
const after = (looks: readonly (readonly number[])[]) => looks.reduce(updated, newTest());

describe("a sequential test", () => {
  test("is a fair bet at every look: while the hypothesis holds, it does not grow on average", () => {
    const believed = fc.array(inside, { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(inside, believed, fc.array(fc.boolean(), { maxLength: 60 }), (fair, shares, past) => {
        const now = after(past.map((heads) => bets(fair, shares, heads)));
        const [heads, tails] = [true, false].map((side) => eValue(updated(now, bets(fair, shares, side))));
        const average = fair * heads! + (1 - fair) * tails!;
        assert.ok(average <= eValue(now) * (1 + 1e-9), `${eValue(now)} became ${average} on average`);
      }),
    );
  });

  test("does not grow by more than its most in a look, so one moment proves nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e4, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (looks) => {
          let before = newTest();
          for (const look of looks) {
            const now = updated(before, [look]);
            assert.ok(eValue(now) <= eValue(before) * MOST_PER_LOOK * (1 + 1e-12));
            before = now;
          }
        },
      ),
    );
  });

  test("needs about twice the looks for what begins after two hours of good ones, not two hours", () => {
    const looksUntilRefuted = (test: SequentialTest) => {
      for (let [looks, now] = [1, test]; ; looks++) {
        now = updated(now, [1, 2]);
        if (eValue(now) >= 1e5) return looks;
      }
    };
    const good = after(Array.from({ length: 3_600 }, () => [-1, -2]));
    assert.ok(eValue(good) < 0.01);
    assert.equal(looksUntilRefuted(newTest()), 7);
    assert.equal(looksUntilRefuted(good), 15);
  });

  test("a look that tells nothing is none", () => {
    const some = after([[1, 2]]);
    assert.equal(updated(some, undefined), some);
    assert.equal(eValue(newTest()), 1);
  });

  test("can be stored whatever it has seen", () => {
    const endless = Array.from({ length: 2_000 }, (_, look) => [look < 1_000 ? 700 : -1e6, Number.POSITIVE_INFINITY]);
    const stored = JSON.parse(JSON.stringify(after(endless)));
    assert.deepEqual(sequentialTestSchema.parse(stored), after(endless));
    assert.ok(Number.isFinite(eValue(stored)));
  });
});
