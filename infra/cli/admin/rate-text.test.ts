import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { limitsSchema } from "../../../shared/protocol/tenant-limits.ts";
import { UsageError } from "../usage-error.ts";
import { formatPerSecond, formatRate, parseRate, usualBurst } from "./rate-text.ts";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const rates = fc
  .record({ count: fc.integer({ min: 1, max: 100_000 }), unit: fc.constantFrom("s", "m", "h", "d") })
  .map(({ count, unit }) => ({ count, unit, text: `${count}/${unit}` }));

describe("parseRate", () => {
  test("takes seconds, minutes, hours and days", () => {
    assert.equal(parseRate("100/s"), 100);
    assert.equal(parseRate("600/m"), 10);
    assert.equal(parseRate("5000/h"), 5000 / 3600);
    assert.equal(parseRate("20000/d"), 20_000 / 86_400);
    assert.equal(parseRate("2.5/s"), 2.5);
    assert.equal(parseRate("90/minute"), 1.5);
  });

  test("gives only what the API takes", () => {
    fc.assert(
      fc.property(rates, ({ text }) => {
        const perSecond = parseRate(text);
        assert.ok(limitsSchema.shape.rate.safeParse({ perSecond, burst: usualBurst(perSecond) }).success);
      }),
    );
  });

  test("refuses everything else, with what it takes", () => {
    for (const text of [
      "",
      "100",
      "100/",
      "/s",
      "-1/s",
      "0/s",
      "100/w",
      "1e3/s",
      "100 /s",
      "1/s/s",
      "100001/s",
      "0.5/d",
      "1/constructor",
    ]) {
      assert.throws(
        () => parseRate(text),
        (error) => error instanceof UsageError && /100\/s/.test(error.message),
        text,
      );
    }
  });
});

describe("formatPerSecond", () => {
  test("gives back a whole number a second as it was typed", () => {
    assert.equal(formatPerSecond(parseRate("100/s")), "100/s");
  });

  test("prefers the shortest time with a whole number", () => {
    assert.equal(formatPerSecond(parseRate("600/m")), "10/s");
    assert.equal(formatPerSecond(parseRate("90/m")), "90/m");
    assert.equal(formatPerSecond(parseRate("5000/h")), "5000/h");
    assert.equal(formatPerSecond(parseRate("1/d")), "1/d");
  });

  test("means the same rate when it is typed again, bit for bit, where it was typed as a whole number", () => {
    fc.assert(
      fc.property(rates, ({ text }) => {
        assert.equal(parseRate(formatPerSecond(parseRate(text))), parseRate(text));
      }),
    );
  });

  test("is right to five digits for any rate at all", () => {
    fc.assert(
      fc.property(fc.double({ min: 1 / SECONDS.d, max: 99_999, noNaN: true }), (perSecond) => {
        const again = parseRate(formatPerSecond(perSecond));
        assert.ok(Math.abs(again - perSecond) <= 1e-5 * perSecond, `${perSecond} became ${again}`);
      }),
    );
  });
});

test("a burst that nobody gave is a second's worth, at least one", () => {
  assert.equal(usualBurst(100), 100);
  assert.equal(usualBurst(1.5), 2);
  assert.equal(usualBurst(parseRate("1/h")), 1);
  assert.equal(usualBurst(parseRate("18000/h")), 5);
});

test("a rate is told with its burst", () => {
  assert.equal(formatRate({ perSecond: 100, burst: 20 }), "100/s, burst 20");
});
