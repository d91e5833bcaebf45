import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ERROR_KINDS, type ErrorCode } from "../../protocol/errors.ts";
import { fallsBack } from "./when.ts";

const codes = Object.keys(ERROR_KINDS) as ErrorCode[];
const reaching = (reach: string) => codes.filter((code) => fallsBack(code) === reach).toSorted();

describe("a fallback chain is tried", () => {
  test("as a whole after failures of the pool and of the model, and after no others", () => {
    assert.deepEqual(reaching("all"), [
      ...["bad_pool_response", "device_out_of_memory", "draining", "hardware_unavailable", "internal"],
      ...["model_failed", "model_not_ready", "non_finite_output", "overloaded", "pool_unavailable"],
    ]);
  });

  test("without a further run where the time for one is gone", () => {
    assert.deepEqual(reaching("instant"), ["deadline_exceeded", "deadline_unreachable"]);
  });

  test("not for what is wrong with a request or its caller", () => {
    for (const code of codes) if (ERROR_KINDS[code].status < 500) assert.equal(fallsBack(code), "none", code);
  });
});
