import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_TIMEOUT_MS, timeBudget } from "./time-budget.ts";

test("without a word from the caller the budget is the default", () => {
  assert.equal(timeBudget(undefined, {}), DEFAULT_TIMEOUT_MS);
  assert.equal(timeBudget(undefined, { timeout: 0 }), DEFAULT_TIMEOUT_MS);
});

test("the header is milliseconds, the parameter microseconds, and the smaller one counts", () => {
  assert.equal(timeBudget("250", {}), 250);
  assert.equal(timeBudget(undefined, { timeout: 20_000 }), 20);
  assert.equal(timeBudget("250", { timeout: 20_000 }), 20);
  assert.equal(timeBudget("10", { timeout: 20_000 }), 10);
});

test("the caller may ask for more than the default, never for more than the largest", () => {
  assert.equal(timeBudget(undefined, { timeout: 30_000_000 }), 30_000);
  assert.equal(timeBudget(undefined, { timeout: 9e12 }), 60_000);
  assert.equal(timeBudget("60000", {}), 60_000);
});

test("any other header is refused", () => {
  for (const header of ["0", "-1", "60001", "1.5", "1e3", "", " 5", "5ms", "999999", "0x10"]) {
    assert.throws(() => timeBudget(header, {}), { code: "invalid_request" }, header);
  }
});

test("a parameter that is not a whole number of microseconds is refused", () => {
  for (const timeout of [-1, 0.5, "1000", true, Number.MAX_SAFE_INTEGER + 1]) {
    assert.throws(() => timeBudget(undefined, { timeout }), { code: "invalid_request" }, String(timeout));
  }
});

test("a budget is always above 0 and at most a minute", () => {
  const header = fc.option(fc.integer({ min: 1, max: 60_000 }).map(String), { nil: undefined });
  fc.assert(
    fc.property(header, fc.nat(), (given, timeout) => {
      const budget = timeBudget(given, { timeout });
      assert.ok(budget > 0 && budget <= 60_000);
    }),
  );
});
