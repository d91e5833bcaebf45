import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkOutputShape } from "./output-check.ts";

const signature = { inputs: [], outputs: [{ name: "y", datatype: "FP32" as const, shape: [-1, 3] }] };
const output = (shape: number[]) => ({ name: "y", datatype: "FP32" as const, shape, buffer: new ArrayBuffer(0) });

describe("what a model answered", () => {
  test("must have the shape that its signature says; the batch is free", () => {
    checkOutputShape(signature, output([7, 3]));
    for (const shape of [[7, 4], [7], [7, 3, 1]]) {
      assert.throws(() => checkOutputShape(signature, output(shape)), { code: "model_failed" });
    }
  });
});
