import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limitOverridesSchema } from "../../../shared/protocol/tenant-limits.ts";
import { UsageError } from "../usage-error.ts";
import { LIMIT_OPTIONS, newLimits, parseInherited, parseLimits, withBurst } from "./limit-options.ts";
import { limitsText } from "./limit-text.ts";
import { parseOptions } from "./options.ts";

function limitsOf(line: string) {
  return parseLimits(parseOptions(line === "" ? [] : line.split(" "), LIMIT_OPTIONS).given);
}

describe("parseLimits", () => {
  test("reads what the API takes", () => {
    const { limits } = limitsOf(
      "--rate 100/s --burst 20 --concurrency 8 --quota 1000000/month --quota 50000/day --max-body 8MiB --max-batch 64 --max-timeout 1500ms --highest-priority default",
    );
    assert.deepEqual(limitOverridesSchema.parse(limits), {
      rate: { perSecond: 100, burst: 20 },
      concurrency: 8,
      quotaPerDay: 50_000,
      quotaPerMonth: 1_000_000,
      maxBodyBytes: 8 * 1024 * 1024,
      maxBatch: 64,
      maxTimeoutMs: 1_500,
      highestPriority: "default",
    });
  });

  test("gives a rate without a burst a second's worth", () => {
    assert.deepEqual(limitsOf("--rate 600/m").limits, { rate: { perSecond: 10, burst: 10 } });
  });

  test("lifts limits with none", () => {
    assert.deepEqual(limitsOf("--rate none --concurrency none --max-body none --max-batch none").limits, {
      rate: null,
      concurrency: null,
      maxBodyBytes: null,
      maxBatch: null,
    });
    assert.deepEqual(limitsOf("--quota none").limits, { quotaPerDay: null, quotaPerMonth: null });
    assert.deepEqual(limitsOf("--quota none/day --quota 5/month").limits, { quotaPerDay: null, quotaPerMonth: 5 });
  });

  test("leaves out what was not given", () => {
    assert.deepEqual(limitsOf(""), { limits: {} });
  });

  test("refuses what is unclear, twice there, or without effect", () => {
    for (const line of [
      "--quota 5",
      "--quota 5/week",
      "--quota /day",
      "--quota 0/day",
      "--quota 5/day --quota 6/d",
      "--quota none --quota 6/day",
      "--rate none --burst 5",
      "--concurrency 0",
      "--concurrency 10001",
      "--max-batch 1.5",
      "--max-body 1B",
      "--max-timeout 0s",
      "--max-timeout 61s",
      "--max-timeout 5",
      "--highest-priority urgent",
    ]) {
      assert.throws(() => limitsOf(line), UsageError, line);
    }
  });
});

describe("a burst alone", () => {
  test("goes with the rate that there is", () => {
    assert.deepEqual(withBurst(limitsOf("--burst 50"), { perSecond: 100, burst: 20 }), {
      rate: { perSecond: 100, burst: 50 },
    });
  });

  test("is refused where there is none", () => {
    assert.throws(() => withBurst(limitsOf("--burst 50"), null), UsageError);
    assert.throws(() => newLimits(limitsOf("--burst 50")), UsageError);
  });
});

describe("parseInherited", () => {
  test("takes limits by the names of their options", () => {
    assert.deepEqual(parseInherited(["rate", "quota/month"], limitsOf("--concurrency 3")), ["rate", "quotaPerMonth"]);
  });

  test("refuses a limit that is also given, and one that there is not", () => {
    assert.throws(() => parseInherited(["rate"], limitsOf("--burst 5")), UsageError);
    assert.throws(() => parseInherited(["concurrency"], limitsOf("--concurrency none")), UsageError);
    assert.throws(
      () => parseInherited(["toString"], limitsOf("")),
      /--inherit is one of rate, concurrency, quota\/day/,
    );
  });
});

test("limits are told on one line, only those that are given", () => {
  const { limits } = limitsOf("--rate 100/s --burst 20 --quota 1000000/month --quota none/day --max-body 8MiB");
  assert.equal(limitsText(limits), "rate 100/s, burst 20; quota/day unlimited; quota/month 1,000,000; max body 8MiB");
});
