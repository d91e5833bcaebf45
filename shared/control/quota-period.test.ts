import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { dayEndsInMs, dayOf, daysInMonth, monthEndsInMs, monthOf } from "./quota-period.ts";

const times = fc.date({ min: new Date("1990-01-01"), max: new Date("2190-01-01"), noInvalidDate: true });

describe("quota periods", () => {
  test("end where the next day or month begins, in UTC", () => {
    fc.assert(
      fc.property(times, (date) => {
        const now = date.getTime();
        assert.equal(dayOf(now + dayEndsInMs(now)), dayOf(now) + 1);
        assert.equal(dayOf(now + dayEndsInMs(now) - 1), dayOf(now));
        assert.equal(monthOf(now + monthEndsInMs(now)), monthOf(now) + 1);
        assert.equal(monthOf(now + monthEndsInMs(now) - 1), monthOf(now));
      }),
    );
  });

  test("leap years have their day", () => {
    assert.equal(daysInMonth(monthOf(Date.UTC(2028, 1, 3))), 29);
    assert.equal(daysInMonth(monthOf(Date.UTC(2027, 1, 3))), 28);
    assert.equal(daysInMonth(monthOf(Date.UTC(2027, 11, 31))), 31);
  });
});
