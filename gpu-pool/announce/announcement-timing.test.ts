import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { backoffMs, intervalMs } from "./announcement-timing.ts";

const everyMs = fc.integer({ min: 50, max: 60_000 });
const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("when a node speaks next", () => {
  test("as often as asked, within a tenth, and as much more as less often", () => {
    fc.assert(
      fc.property(everyMs, share, (every, chance) => {
        const waited = intervalMs(every, () => chance);
        assert.ok(waited >= 0.9 * every - 1e-6 && waited <= 1.1 * every + 1e-6, `${waited}`);
      }),
    );
    assert.deepEqual(
      [0, 0.5, 1].map((chance) => Math.round(intervalMs(1_000, () => chance))),
      [900, 1_000, 1_100],
    );
  });

  test("after failures: any part of the interval, then of twice, four times as long, and never of more than 5 s", () => {
    const longest = [1, 2, 3, 4, 5, 6, 2_000].map((failures) => backoffMs(500, failures, () => 1));
    assert.deepEqual(longest, [500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
    const parts = [0.25, 0.5, 0.75].map((chance) => backoffMs(500, 3, () => chance));
    assert.deepEqual(parts, [500, 1_000, 1_500]);
  });

  test("words that fail at once are not said in a loop, whatever chance brings", () => {
    assert.equal(
      backoffMs(500, 1, () => 0),
      50,
    );
  });

  test("an edge that wants to hear less often than every 5 s is not asked more often because it fails", () => {
    const longest = [1, 2, 9].map((failures) => backoffMs(20_000, failures, () => 1));
    assert.deepEqual(longest, [20_000, 20_000, 20_000]);
  });
});
