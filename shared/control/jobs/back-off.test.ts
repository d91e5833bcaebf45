import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { backOffMs } from "./back-off.ts";

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const tries = fc.nat(10_000);

describe("the time until a job is tried again", () => {
  test("doubles from a second to a minute, and is at the least half of that", () => {
    const longest = [0, 1, 2, 5, 6, 7, 9_999].map((count) => backOffMs(count, 0, 1));
    assert.deepEqual(longest, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
    assert.deepEqual(
      [0, 1, 7].map((count) => backOffMs(count, 0, 0)),
      [500, 1_000, 30_000],
    );
  });

  test("is never shorter than what was asked for, and never longer than a minute and a half", () => {
    fc.assert(
      fc.property(tries, fc.nat(200_000), random, (count, asked, chance) => {
        const ms = backOffMs(count, asked, chance);
        assert.ok(Number.isInteger(ms));
        assert.ok(ms >= Math.min(asked, 60_000) && ms <= 90_000, String(ms));
      }),
    );
  });

  test("never shrinks from one try to the next, by the same chance", () => {
    fc.assert(
      fc.property(tries, random, (count, chance) => {
        assert.ok(backOffMs(count + 1, 0, chance) >= backOffMs(count, 0, chance));
      }),
    );
  });

  test("differs between jobs that were refused in the same words", () => {
    assert.notEqual(backOffMs(3, 30_000, 0.1), backOffMs(3, 30_000, 0.9));
  });
});
