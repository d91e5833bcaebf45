import assert from "node:assert/strict";
import { test } from "node:test";
import { asWarmgateError, ERROR_KINDS, WarmgateError } from "./errors.ts";

test("every kind has a status of a failure and says what happened and what to do", () => {
  for (const [code, { status, meaning, remedy }] of Object.entries(ERROR_KINDS)) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
    assert.ok(status >= 400 && status <= 599, code);
    assert.ok(meaning.endsWith(".") && remedy.endsWith("."), code);
  }
});
test("an error has the status of its code", () => {
  assert.equal(new WarmgateError("model_not_found", "no").status, 404);
});
test("the body holds the text, the code and, when known, the request id", () => {
  const error = new WarmgateError("overloaded", "full", { retryAfterSeconds: 2 });
  assert.deepEqual(error.body("r1"), { error: "full", code: "overloaded", request_id: "r1" });
  assert.deepEqual(error.body(), { error: "full", code: "overloaded" });
  assert.equal(error.retryAfterSeconds, 2);
});
test("a WarmgateError passes through unchanged", () => {
  const error = new WarmgateError("draining", "stopping");
  assert.equal(asWarmgateError(error), error);
});
test("anything else becomes internal and keeps its text out of the body", () => {
  for (const thrown of [new TypeError("/etc/secret"), "secret", undefined]) {
    const error = asWarmgateError(thrown);
    assert.deepEqual(error.body(), { error: "internal error", code: "internal" });
    assert.equal(error.cause, thrown);
  }
});
