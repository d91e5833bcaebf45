import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InFlight, pauseMs } from "./in-flight.ts";

describe("predictions that are being made", () => {
  test("one request at a time has a prediction made; the next may when it has ended", () => {
    const inFlight = new InFlight();
    const end = inFlight.begin("a", 0);
    assert.ok(end);
    assert.equal(inFlight.begin("a", 5), undefined);
    assert.ok(inFlight.begin("b", 5));
    end();
    assert.ok(inFlight.begin("a", 6));
  });

  test("one that was lost is not waited for, and does not end its successor when it comes back", () => {
    const inFlight = new InFlight();
    const lost = inFlight.begin("a", 0);
    assert.ok(inFlight.begin("a", 10_000));
    lost?.();
    assert.equal(inFlight.begin("a", 10_001), undefined);
  });

  test("their number is bounded; beyond it everybody goes alone", () => {
    const inFlight = new InFlight();
    for (let one = 0; one < 1_000; one++) inFlight.begin(`${one}`, 0);
    assert.ok(inFlight.begin("more", 0));
    assert.ok(inFlight.begin("more", 0));
  });

  test("pauses grow with the time that has been waited, between 2 and 25 ms", () => {
    assert.deepEqual([0, 8, 40, 1_000].map(pauseMs), [2, 2, 10, 25]);
  });
});
