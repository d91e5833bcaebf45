import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FairShare } from "./fair-share.ts";

/** Serves one millisecond at a time to the least served tenant that waits, as the former does when urgency is equal. */
function serve(share: FairShare, tenants: readonly string[], times: number): Map<string, number> {
  const served = new Map(tenants.map((tenant) => [tenant, 0]));
  for (let turn = 0; turn < times; turn++) {
    const waiting = tenants.filter((tenant) => share.queuedOf(tenant).items > 0);
    const next = waiting.toSorted((a, b) => share.virtualTime(a) - share.virtualTime(b))[0];
    if (next === undefined) break;
    assert.ok(share.isEligible(next), "the least served is always eligible");
    share.charge(next, 1);
    share.dequeue(next, 1, 1);
    share.advance();
    served.set(next, (served.get(next) ?? 0) + 1);
  }
  return served;
}

function enqueue(share: FairShare, tenant: string, count: number): void {
  for (let item = 0; item < count; item++) share.enqueue(tenant, 1, 1);
}

describe("fair share", () => {
  test("tenants that always wait are served by their weights", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), (a, b) => {
        const share = new FairShare((tenant) => (tenant === "a" ? a : b));
        enqueue(share, "a", 400);
        enqueue(share, "b", 400);
        const served = serve(share, ["a", "b"], 300);
        assert.ok(Math.abs((served.get("a") ?? 0) - (300 * a) / (a + b)) <= 2);
      }),
    );
  });

  test("a tenant that comes back makes up for a burst, not for an hour", () => {
    const share = new FairShare(() => 1);
    enqueue(share, "busy", 5_000);
    enqueue(share, "away", 1);
    serve(share, ["busy", "away"], 2_000);
    enqueue(share, "away", 500);
    const served = serve(share, ["busy", "away"], 200);
    assert.ok(Math.abs((served.get("away") ?? 0) - 125) <= 2, `${served.get("away")} of 200`);
  });

  test("a tenant ahead of its share is not eligible while another one waits, and is when nobody does", () => {
    const share = new FairShare(() => 1);
    enqueue(share, "a", 1);
    enqueue(share, "b", 1);
    share.charge("a", 6);
    assert.equal(share.isEligible("a"), false);
    assert.equal(share.isEligible("b"), true);
    share.dequeue("b", 1, 1);
    assert.equal(share.isEligible("a"), true);
  });

  test("what goes before a newcomer is no more than what the others get until its turn", () => {
    const share = new FairShare(() => 1);
    enqueue(share, "flood", 1_000);
    assert.ok(share.aheadOf("newcomer") <= 5);
    assert.equal(share.aheadOf("flood"), 1_000);
  });

  test("what is taken out leaves nothing behind, whatever the fractions", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.double({ min: 0, max: 9, noNaN: true }))),
        (items) => {
          const share = new FairShare(() => 1);
          for (const [tenant, ms] of items) share.enqueue(tenant, ms, 7);
          for (const [tenant, ms] of items) share.dequeue(tenant, ms, 7);
          assert.equal(share.queuedMs, 0);
          assert.equal(share.items, 0);
          assert.deepEqual({ ...share.queuedOf("a") }.queuedMs, 0);
        },
      ),
    );
  });
});
