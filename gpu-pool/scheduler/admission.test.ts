import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type AdmissionView, refusalOf, retryAfterSeconds } from "./admission.ts";

const LIMITS = { maxQueueMs: 1_000, maxQueueItems: 100, maxQueueBytes: 10_000 };
const NOTHING = { items: 0, bytes: 0, queuedMs: 0 };

function refusal(given: Partial<AdmissionView>): string | undefined {
  const view: AdmissionView = {
    waitMs: 0,
    aheadMs: 0,
    runMs: 10,
    marginMs: 0,
    budgetMs: 100,
    bytes: 1,
    harmless: true,
    level: 0,
    queued: NOTHING,
    queuedByTenant: NOTHING,
    ...given,
  };
  return refusalOf(view, LIMITS);
}

describe("admission", () => {
  test("what can be finished in time is taken in, what cannot is not", () => {
    assert.equal(refusal({ waitMs: 80 }), undefined);
    assert.equal(refusal({ waitMs: 90 }), "deadline_unreachable");
    assert.equal(refusal({ waitMs: 80, marginMs: 10 }), "deadline_unreachable");
    assert.equal(refusal({ budgetMs: 0 }), "deadline_unreachable");
  });

  test("what would make another one late is refused", () => {
    assert.equal(refusal({ harmless: false }), "overloaded");
  });

  test("each limit holds: items, bytes, device time", () => {
    assert.equal(refusal({ queued: { ...NOTHING, items: 100 } }), "overloaded");
    assert.equal(refusal({ queued: { ...NOTHING, items: 1, bytes: 9_999 }, bytes: 2 }), "overloaded");
    assert.equal(refusal({ aheadMs: 1_001, waitMs: 1_001, budgetMs: 60_000 }), "overloaded");
  });

  test("a lower class leaves room for the ones above it", () => {
    const queued = { ...NOTHING, items: 75 };
    assert.deepEqual(
      [0, 1, 2, 3].map((level) => refusal({ level, queued })),
      [undefined, undefined, "overloaded", "overloaded"],
    );
  });

  test("a tenant alone fills four fifths of a limit, and there is always room for another one", () => {
    const own = (items: number) => ({ queued: { ...NOTHING, items }, queuedByTenant: { ...NOTHING, items } });
    assert.equal(refusal(own(79)), undefined);
    assert.equal(refusal(own(80)), "overloaded");
    assert.equal(refusal({ queued: { ...NOTHING, items: 80 } }), undefined);
  });

  test("one request larger than the queue's bytes is taken when nothing waits", () => {
    assert.equal(refusal({ bytes: 1_000_000 }), undefined);
  });

  test("the time to try again is the drain in whole seconds, up to twice that", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 100_000, noNaN: true }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (drainMs, random) => {
          const seconds = retryAfterSeconds(drainMs, random);
          const drain = Math.max(1, Math.ceil(drainMs / 1000));
          assert.ok(Number.isInteger(seconds) && seconds >= drain && seconds <= 2 * drain);
        },
      ),
    );
  });
});
