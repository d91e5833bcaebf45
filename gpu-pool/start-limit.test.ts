import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startLimitOf } from "./start-limit.ts";

describe("the time that a start may take", () => {
  test("is what is given, in either form, among whatever else is", () => {
    assert.equal(startLimitOf(["--models", "m", "--start-limit-ms", "5000", "--probe=off"]), 5_000);
    assert.equal(startLimitOf(["--start-limit-ms=0"]), 0);
  });

  test("is two minutes where nothing is given, or what will be refused", () => {
    for (const args of [[], ["--start-limit-ms", "999"], ["--start-limit-ms", "soon"], ["--start-limit-ms"]]) {
      assert.equal(startLimitOf(["--models", "m", ...args]), 120_000);
    }
  });
});
