import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Datatype } from "./datatype.ts";
import { decodeRawRequest } from "./request.ts";
import type { TensorSpec } from "./tensor.ts";

const spec = (datatype: Datatype, ...shape: number[]): TensorSpec[] => [{ name: "x", datatype, shape }];
const shapeOf = (bytes: number, inputs: TensorSpec[]) =>
  decodeRawRequest(new Uint8Array(bytes), inputs).inputs[0]!.shape;

describe("decodeRawRequest", () => {
  test("the body is the input's data and all outputs are binary", () => {
    const body = Uint8Array.of(1, 2, 3, 4);
    assert.deepEqual(decodeRawRequest(body, spec("FP32", 1)), {
      parameters: {},
      inputs: [{ name: "x", datatype: "FP32", shape: [1], bytes: body }],
      binaryOutput: true,
    });
  });
  test("works the one varying dimension out of the length", () => {
    assert.deepEqual(shapeOf(24, spec("FP32", 2, -1)), [2, 3]);
    assert.deepEqual(shapeOf(32, spec("FP32", -1, 4)), [2, 4]);
    assert.deepEqual(shapeOf(0, spec("FP32", -1, 4)), [0, 4]);
  });
  test("the batch is 1 where another dimension varies", () => {
    assert.deepEqual(shapeOf(24, spec("FP32", -1, 2, -1)), [1, 2, 3]);
  });
  test("a scalar takes one element", () => assert.deepEqual(shapeOf(8, spec("INT64")), []));
  test("a fixed dimension of 0 takes an empty body", () => assert.deepEqual(shapeOf(0, spec("FP32", -1, 0)), [0, 0]));
  test("a BYTES input is the body with its length in front", () => {
    const request = decodeRawRequest(Uint8Array.of(9, 8), spec("BYTES", -1, 1));
    assert.deepEqual(request.inputs[0]!.shape, [1, 1]);
    assert.deepEqual([...request.inputs[0]!.bytes], [2, 0, 0, 0, 9, 8]);
  });
  test("refuses a BYTES input of several elements", () => {
    assert.throws(() => decodeRawRequest(new Uint8Array(2), spec("BYTES", -1, 2)), { code: "input_mismatch" });
  });
  test("refuses a model of two inputs, and of none", () => {
    const two = [...spec("FP32", 1), ...spec("FP32", 1)];
    assert.throws(() => decodeRawRequest(new Uint8Array(4), two), {
      code: "input_mismatch",
      message: /1 input, not 2/,
    });
    assert.throws(() => decodeRawRequest(new Uint8Array(4), []), { code: "input_mismatch" });
  });
  test("refuses two varying dimensions besides the batch", () => {
    assert.throws(() => decodeRawRequest(new Uint8Array(4), spec("FP32", -1, -1, -1)), { code: "input_mismatch" });
  });
  for (const [bytes, ...shape] of [
    [3, -1],
    [20, -1, 4],
    [4, 2],
    [12, 2],
    [4, -1, 0],
  ]) {
    test(`refuses ${bytes} bytes for FP32 [${shape}]`, () => {
      assert.throws(() => decodeRawRequest(new Uint8Array(bytes!), spec("FP32", ...shape)), {
        code: "invalid_data",
        message: /input 'x'/,
      });
    });
  }
  test("refuses a BOOL that is neither 0 nor 1", () => {
    assert.throws(() => decodeRawRequest(Uint8Array.of(1, 2), spec("BOOL", 2)), { code: "invalid_data" });
  });
});
