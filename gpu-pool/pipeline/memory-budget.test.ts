import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBudget } from "./memory-budget.ts";

test("what no budget could hold is refused for good, what others have taken for now", () => {
  const budget = new MemoryBudget(100);
  const first = budget.open();
  first.reserve(60);
  assert.throws(() => budget.open().reserve(101), { code: "batch_too_large" });
  const second = budget.open();
  assert.throws(() => second.reserve(50), { code: "overloaded", retryAfterSeconds: 1 });
  second.reserve(40);
  first.close();
  first.close();
  second.reserve(60);
  assert.throws(() => budget.open().reserve(1), { code: "overloaded" });
});
