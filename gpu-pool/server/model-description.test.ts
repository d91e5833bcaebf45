import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memoryUsage } from "./model-description.ts";

describe("the memory in a model's statistics", () => {
  test("is a GPU's under its number, a CPU's under 0, and nothing where it is not known", () => {
    assert.deepEqual(memoryUsage({ provider: "cuda", deviceId: 3, bytes: 7 }), [{ type: "GPU", id: 3, byte_size: 7 }]);
    assert.deepEqual(memoryUsage({ provider: "cpu", deviceId: 3, bytes: 7 }), [{ type: "CPU", id: 0, byte_size: 7 }]);
    assert.deepEqual(memoryUsage(undefined), []);
  });
});
