import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { UsageError } from "../usage-error.ts";
import { formatMeasured, formatPart, formatShare, parseDecimal, parseShare } from "./share-text.ts";

const share = (text: string) => parseShare(text, "--shadow-share", 0, 1);

describe("shares", () => {
  test("may be given in percent or not", () => {
    assert.deepEqual(["10%", "0.1", "7%", "12.5%", "1", "100%", "0"].map(share), [0.1, 0.1, 0.07, 0.125, 1, 1, 0]);
  });

  test("are refused with what they may be", () => {
    for (const text of ["", "%", "10 %", "-1%", "1e-3", "10", "101%", ".5", "ten"]) {
      assert.throws(() => share(text), /--shadow-share is a share such as 10% or 0\.1, from 0% to 100%, not/, text);
    }
  });

  test("are never shown as all or nothing when they are not", () => {
    const inside = fc.double({ min: 0, max: 1, minExcluded: true, maxExcluded: true });
    fc.assert(fc.property(inside, (value) => !["0%", "100%"].includes(formatShare(value))));
    assert.deepEqual([0, 1, 0.999999, 1e-9].map(formatShare), ["0%", "100%", ">99.999%", "<0.001%"]);
  });

  test("come back as they are shown, to three decimals of a percent", () => {
    const whole = fc.integer({ min: 0, max: 100_000 });
    fc.assert(fc.property(whole, (count) => Math.abs(share(formatShare(count / 100_000)) - count / 100_000) < 1e-12));
  });

  test("of nothing are not shown", () => {
    assert.deepEqual([formatPart(0, 0), formatPart(1, 4)], ["", "25%"]);
  });
});

test("decimals keep within what they may be", () => {
  assert.equal(parseDecimal("1.5", "--p99-ratio", 1, 100), 1.5);
  for (const text of ["0.9", "101", "1,5", "Infinity", "0x2", "1e1", ""]) {
    assert.throws(() => parseDecimal(text, "--p99-ratio", 1, 100), UsageError, text);
  }
});

test("what was measured is shown with three digits, and what cannot be told as very large", () => {
  assert.deepEqual([undefined, 0, 1.19209e-7, 12.345, 98_765, 2 ** 40].map(formatMeasured), [
    ...["", "0", "1.19e-7", "12.3", "98800", "over 1e12"],
  ]);
});
