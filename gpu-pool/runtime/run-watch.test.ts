import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isHung } from "./run-watch.ts";

const LIMIT_MS = 30_000;

describe("a run that takes long", () => {
  test("is slow up to the limit, whatever it should take", () => {
    assert.equal(isHung({ runningMs: LIMIT_MS, boundMs: 0 }, LIMIT_MS), false);
    assert.equal(isHung({ runningMs: LIMIT_MS, boundMs: 1 }, LIMIT_MS), false);
  });

  test("hangs beyond the limit if it should be quick", () => {
    assert.equal(isHung({ runningMs: LIMIT_MS + 1, boundMs: 0 }, LIMIT_MS), true);
    assert.equal(isHung({ runningMs: LIMIT_MS + 1, boundMs: 1_000 }, LIMIT_MS), true);
  });

  test("of a model that is slow by itself gets twenty times what it is known to take", () => {
    const boundMs = 10_000;
    assert.equal(isHung({ runningMs: 200_000, boundMs }, LIMIT_MS), false);
    assert.equal(isHung({ runningMs: 200_001, boundMs }, LIMIT_MS), true);
  });
});
