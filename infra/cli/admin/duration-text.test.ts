import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { UsageError } from "../usage-error.ts";
import { formatDuration, parseDuration, parseInstant } from "./duration-text.ts";

const NOW = Date.UTC(2027, 0, 1);

describe("durations", () => {
  test("are days, hours, minutes and seconds", () => {
    assert.equal(parseDuration("90d", "--expires"), 7_776_000);
    assert.equal(parseDuration("12h", "--expires"), 43_200);
    assert.equal(parseDuration("30m", "--expires"), 1800);
    assert.equal(parseDuration("0s", "--expires"), 0);
  });

  test("are written as they can be read", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30_000_000 }), (seconds) => {
        assert.equal(parseDuration(formatDuration(seconds).replaceAll(",", ""), "--overlap"), seconds);
      }),
    );
  });

  test("in any other form are refused by the option's name", () => {
    for (const text of ["", "90", "d", "-1d", "1.5h", "1w", "999999999d", "1d2h"]) {
      assert.throws(
        () => parseDuration(text, "--overlap"),
        (error) => error instanceof UsageError && error.message.startsWith("--overlap"),
        text,
      );
    }
  });
});

describe("parseInstant", () => {
  test("takes a distance from now, forward or back", () => {
    assert.equal(parseInstant("1h", "--expires", NOW, 1), NOW + 3_600_000);
    assert.equal(parseInstant("7d", "--from", NOW, -1), NOW - 7 * 86_400_000);
  });

  test("takes a day as its beginning in UTC, and a time with its offset", () => {
    assert.equal(parseInstant("2027-01-31", "--from", NOW, -1), Date.UTC(2027, 0, 31));
    assert.equal(parseInstant("2027-01-31T12:00:00+02:00", "--from", NOW, -1), Date.UTC(2027, 0, 31, 10));
  });

  test("refuses what a date parser would guess at", () => {
    for (const text of ["1", "2027", "2027-13-01", "2027-02-30", "tomorrow", "2027-01-31T12:00:00", "01/02/2027"]) {
      assert.throws(() => parseInstant(text, "--from", NOW, -1), UsageError, text);
    }
  });
});
