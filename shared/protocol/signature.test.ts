import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Datatype } from "./datatype.ts";
import { checkInputs, selectOutputs } from "./signature.ts";
import type { ModelSignature, Tensor } from "./tensor.ts";

const SIGNATURE: ModelSignature = {
  inputs: [
    { name: "a", datatype: "FP32", shape: [-1, 4] },
    { name: "b", datatype: "INT64", shape: [-1] },
  ],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1] },
    { name: "z", datatype: "FP32", shape: [-1] },
  ],
};

const tensor = (name: string, datatype: Datatype, shape: number[]): Tensor => ({
  name,
  datatype,
  shape,
  bytes: new Uint8Array(0),
});
const A = tensor("a", "FP32", [2, 4]);
const B = tensor("b", "INT64", [2]);

describe("checkInputs", () => {
  test("takes the declared inputs in any order", () => assert.doesNotThrow(() => checkInputs(SIGNATURE, [B, A])));
  test("a dimension that varies may be 0", () => {
    assert.doesNotThrow(() => checkInputs(SIGNATURE, [tensor("a", "FP32", [0, 4]), B]));
  });

  const refused: [string, Tensor[], RegExp][] = [
    ["a missing input", [A], /expected 2 inputs but got 1: input 'b' \(INT64 \[-1\]\) is missing/],
    ["no input at all", [], /input 'a'/],
    ["an unknown input", [A, B, tensor("c", "FP32", [1])], /unexpected input 'c': the model expects 'a', 'b'/],
    ["a name in another case", [tensor("A", "FP32", [2, 4]), B], /unexpected input 'A'/],
    ["an input given twice", [A, B, A], /'a' is given more than once/],
    ["another datatype", [tensor("a", "FP64", [2, 4]), B], /'a' data-type is 'FP64', but model expects 'FP32'/],
    ["another rank", [tensor("a", "FP32", [4]), B], /shape for input 'a': expected \[-1,4\], got \[4\]/],
    ["a scalar for a vector", [A, tensor("b", "INT64", [])], /shape for input 'b': expected \[-1\], got \[\]/],
    ["another fixed dimension", [tensor("a", "FP32", [2, 5]), B], /expected \[-1,4\], got \[2,5\]/],
  ];
  for (const [name, inputs, message] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(() => checkInputs(SIGNATURE, inputs), { code: "input_mismatch", message });
    });
  }
  test("a name of a megabyte does not make an error text of a megabyte", () => {
    assert.throws(
      () => checkInputs(SIGNATURE, [tensor("x".repeat(1e6), "FP32", [])]),
      (error: Error) => error.message.length < 200,
    );
  });
});

describe("selectOutputs", () => {
  test("all outputs when none is listed", () => {
    assert.deepEqual(selectOutputs(SIGNATURE, undefined), ["y", "z"]);
    assert.deepEqual(selectOutputs(SIGNATURE, []), ["y", "z"]);
  });
  test("the listed ones in the order asked for", () => {
    const requested = [
      { name: "z", binary: true },
      { name: "y", binary: false },
    ];
    assert.deepEqual(selectOutputs(SIGNATURE, requested), ["z", "y"]);
  });
  test("refuses an output that the model has not", () => {
    assert.throws(() => selectOutputs(SIGNATURE, [{ name: "a", binary: true }]), {
      code: "unknown_output",
      message: /'a': the model has 'y', 'z'/,
    });
  });
  test("refuses an output listed twice", () => {
    const twice = [
      { name: "y", binary: true },
      { name: "y", binary: false },
    ];
    assert.throws(() => selectOutputs(SIGNATURE, twice), { code: "invalid_request", message: /'y'/ });
  });
});
