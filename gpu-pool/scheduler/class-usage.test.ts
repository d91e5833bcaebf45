import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClassUsage } from "./class-usage.ts";

describe("what the classes use", () => {
  test("a lower class reckons with the part of the device that those above it use", () => {
    const usage = new ClassUsage(1);
    for (let ms = 0; ms < 5_000; ms += 10) usage.used(0, 3, ms);
    assert.ok(Math.abs(usage.above(1, 5_000) - 0.3) < 0.02);
    assert.equal(usage.above(0, 5_000), 0);
    assert.ok(Math.abs(new ClassUsage(1).above(3, 0)) === 0);
  });

  test("it forgets, and never says that nothing is left", () => {
    const usage = new ClassUsage(1);
    usage.used(0, 1_000_000, 0);
    assert.equal(usage.above(1, 0), 0.95);
    assert.ok(usage.above(1, 60_000) < 0.01);
  });
});
