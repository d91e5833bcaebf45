import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UsageError } from "../usage-error.ts";
import { formatNumber, parseWholeNumber } from "./number-text.ts";

const MOST = 1e12;

test("a whole number may be in groups of three", () => {
  for (const text of ["1000000", "1_000_000", "1,000,000"]) {
    assert.equal(parseWholeNumber(text, "--quota", 1, MOST), 1_000_000, text);
  }
});

test("what is printed can be typed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: MOST }), (value) => {
      assert.equal(parseWholeNumber(formatNumber(value), "--quota", 0, MOST), value);
    }),
  );
});

test("what might be meant otherwise is refused, with what is taken", () => {
  for (const text of ["", "1.5", "1e6", "0x10", " 1", "1,5", "1,0000", "1_000,000", "-1", "NaN", "10000000000000"]) {
    assert.throws(
      () => parseWholeNumber(text, "--quota", 1, MOST),
      (error) =>
        error instanceof UsageError && error.message.startsWith("--quota is a whole number from 1 to 1,000,000"),
      text,
    );
  }
});
