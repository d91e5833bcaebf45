import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DemandCurve } from "./demand-curve.ts";

const item = fc.record({ latestStart: fc.integer({ min: 0, max: 2_000 }), ms: fc.integer({ min: 1, max: 50 }) });
const STEP_MS = 5;

describe("the demand curve", () => {
  test("what goes before an item is what is as urgent, to within a step", () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 60 }), fc.integer({ min: 0, max: 2_000 }), (items, at) => {
        const curve = new DemandCurve();
        for (const one of items) curve.add(one.latestStart, one.ms);
        const sum = (until: number) => items.reduce((ms, one) => ms + (one.latestStart <= until ? one.ms : 0), 0);
        const before = curve.before(at);
        assert.ok(sum(at) <= before && before <= sum(at + STEP_MS), `${sum(at)} ${before}`);
      }),
    );
  });

  test("what is taken back leaves nothing", () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 60 }), fc.nat(), (items, seed) => {
        const curve = new DemandCurve();
        for (const one of items) curve.add(one.latestStart, one.ms);
        const shuffled = items.toSorted((a, b) => ((a.ms * 7919 + seed) % 31) - ((b.ms * 7919 + seed) % 31));
        for (const one of shuffled) curve.remove(one.latestStart, one.ms);
        assert.equal(curve.before(Number.MAX_SAFE_INTEGER), 0);
      }),
    );
  });

  test("an item that leaves the others time to finish stands, one that does not fails", () => {
    const curve = new DemandCurve();
    for (let count = 0; count < 5; count++) curve.add(90, 10);
    const test = { startAt: 0, aloneMs: 10, batchMs: 10, slots: 1 };
    assert.equal(curve.standsFor(20, 40, test), true);
    assert.equal(curve.standsFor(20, 51, test), false);
    assert.equal(curve.standsFor(20, 51, { ...test, slots: 2 }), true);
    assert.equal(curve.standsFor(20, 40, { ...test, startAt: 20 }), false);
  });

  test("an item behind all others makes none of them late", () => {
    const curve = new DemandCurve();
    curve.add(50, 500);
    assert.equal(curve.standsFor(60, 1_000, { startAt: 0, aloneMs: 1, batchMs: 1, slots: 1 }), true);
  });
});
