import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { UsageError } from "../usage-error.ts";
import { formatTimeout, parseTimeout } from "./timeout-text.ts";

describe("a time that a request gets", () => {
  test("is read as it is shown", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), (ms) => parseTimeout(formatTimeout(ms), "--t", 60_000) === ms),
    );
    assert.deepEqual([60_000, 5_000, 1_500].map(formatTimeout), ["1m", "5s", "1500ms"]);
  });

  test("has a unit and is within what may be", () => {
    for (const text of ["", "5", "0s", "61s", "2m", "-1s", "1.5s", "1h"]) {
      assert.throws(() => parseTimeout(text, "--t", 60_000), UsageError, text);
    }
  });
});
