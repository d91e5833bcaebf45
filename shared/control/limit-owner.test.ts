import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type LimitOverrides, overlay, UNLIMITED } from "../protocol/tenant-limits.ts";
import type { LeaseAnswer, LeaseAsk, LeaseGrant } from "./lease-messages.ts";
import { LimitOwner } from "./limit-owner.ts";

const NOON = Date.UTC(2026, 10, 30, 12);
const leasable = (limits: LimitOverrides) => {
  const { rate, concurrency, quotaPerDay, quotaPerMonth } = overlay(UNLIMITED, limits);
  return { rate, concurrency, quotaPerDay, quotaPerMonth };
};

function asking(limits: LimitOverrides, fields: Partial<LeaseAsk> = {}): LeaseAsk {
  return {
    version: 1,
    accounts: [{ name: "tenant", limits: leasable(limits) }],
    ...{ needUnits: 1, wantUnits: 1, needSlots: 0, wantSlots: 0, slotsLifeMs: 1_000, settled: [] },
    ...fields,
  };
}

const isGrant = (answer: LeaseAnswer): answer is LeaseGrant => "units" in answer;

describe("the owner of a tenant's limits", () => {
  test("a refused ask charges nothing", () => {
    const owner = new LimitOwner();
    const limits = { rate: { perSecond: 1, burst: 2 }, quotaPerMonth: 100 };
    for (let count = 0; count < 10; count++) owner.ask(asking(limits), `${count}`, NOON, 0.5);
    assert.equal(owner.accounts.get("tenant")?.monthUnits, 2);
    const answer = owner.ask(asking(limits), "last", NOON + 1_000, 0.5);
    assert.ok(isGrant(answer), "a unit a second comes back, whatever was refused");
  });

  test("slots of an isolate that is gone are free after their life", () => {
    const owner = new LimitOwner();
    const limits = { concurrency: 2 };
    const slot = { needUnits: 0, wantUnits: 0, needSlots: 1, wantSlots: 1 };
    for (const lease of ["a", "b"]) assert.ok(isGrant(owner.ask(asking(limits, slot), lease, NOON, 0.5)));
    const full = owner.ask(asking(limits, slot), "c", NOON + 999, 0.5);
    assert.ok(!isGrant(full) && full.refusedBy === "concurrency");
    assert.ok(isGrant(owner.ask(asking(limits, slot), "d", NOON + 1_000, 0.5)));
  });

  test("a quota begins anew with its period, and what is left of an old one is not credited to the new", () => {
    const owner = new LimitOwner();
    const limits = { quotaPerDay: 5 };
    const first = owner.ask(asking(limits, { needUnits: 5, wantUnits: 5 }), "a", NOON, 0.5);
    assert.ok(isGrant(first));
    const refused = owner.ask(asking(limits), "b", NOON, 0.5);
    assert.ok(!isGrant(refused) && refused.refusedBy === "day" && refused.retryMs === 12 * 3_600_000);
    const tomorrow = NOON + 12 * 3_600_000;
    assert.ok(isGrant(owner.ask(asking(limits, { needUnits: 4, wantUnits: 4 }), "c", tomorrow, 0.5)));
    const { grantedAt } = first;
    owner.settle({ lease: "a", accounts: ["tenant"], unspent: 5, refunded: 0, grantedAt, slots: false });
    assert.equal(owner.accounts.get("tenant")?.dayUnits, 4);
  });

  test("what time has paid is not credited again", () => {
    const owner = new LimitOwner();
    const limits = { rate: { perSecond: 10, burst: 10 } };
    const old = owner.ask(asking(limits, { needUnits: 5, wantUnits: 5 }), "a", NOON, 0.5);
    assert.ok(isGrant(old));
    const later = NOON + 60_000;
    owner.ask(asking(limits, { needUnits: 10, wantUnits: 10 }), "b", later, 0.5);
    const { grantedAt } = old;
    owner.settle({ lease: "a", accounts: ["tenant"], unspent: 5, refunded: 0, grantedAt, slots: false });
    assert.ok(!isGrant(owner.ask(asking(limits), "c", later, 0.5)));
  });

  test("what time has paid in part is credited for the rest", () => {
    const owner = new LimitOwner();
    const limits = { rate: { perSecond: 10, burst: 10 } };
    const old = owner.ask(asking(limits, { needUnits: 1, wantUnits: 2 }), "a", NOON, 0.5);
    assert.ok(isGrant(old) && old.units === 2);
    // Its surplus is paid for up to the end of its life and 100 ms beyond; half of them are over.
    const later = NOON + old.unitsLifeMs + 50;
    owner.ask(asking(limits, { needUnits: 5, wantUnits: 5 }), "b", later, 0.5);
    const tat = owner.accounts.get("tenant")?.tat ?? 0;
    owner.settle({ lease: "a", accounts: ["tenant"], unspent: 1, refunded: 0, grantedAt: NOON, slots: false });
    assert.equal(tat - (owner.accounts.get("tenant")?.tat ?? 0), 50);
  });

  test("limits of a newer configuration count, whoever still asks by an older one", () => {
    const owner = new LimitOwner();
    assert.ok(isGrant(owner.ask(asking({ quotaPerDay: 100 }, { version: 1 }), "a", NOON, 0.5)));
    owner.ask(asking({ quotaPerDay: 1 }, { version: 2 }), "b", NOON, 0.5);
    const answer = owner.ask(asking({ quotaPerDay: 100 }, { version: 1 }), "c", NOON, 0.5);
    assert.ok(!isGrant(answer));
  });

  test("a key's own limits and its tenant's are both charged, and the one that is short refuses", () => {
    const owner = new LimitOwner();
    const accounts = [
      { name: "tenant", limits: leasable({ rate: { perSecond: 1, burst: 10 } }) },
      { name: "key1", limits: leasable({ rate: { perSecond: 1, burst: 3 } }) },
    ];
    const answers = Array.from({ length: 5 }, (_, index) => owner.ask(asking({}, { accounts }), `${index}`, NOON, 0.5));
    assert.equal(answers.filter(isGrant).length, 3);
    const refusal = answers[4];
    assert.ok(refusal && !isGrant(refusal) && refusal.account === "key1");
    assert.equal(owner.standings(["tenant"], NOON)[0]?.remaining, 7);
  });

  test("the more isolates are refused, the longer they are asked to be quiet", () => {
    const owner = new LimitOwner();
    const limits = { rate: { perSecond: 10, burst: 10 } };
    let last: LeaseAnswer | undefined;
    for (let count = 0; count < 5_000; count++) last = owner.ask(asking(limits), `${count}`, NOON + count, 0.5);
    assert.ok(last && !isGrant(last) && last.quietMs > 500);
  });
});
