import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import { numbersTensor } from "../../test/support/pipeline-tensors.ts";
import { readNumbers } from "./numbers.ts";

const WHOLE = ["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"] as const;

test("whole numbers in range come back as they were", () => {
  fc.assert(
    fc.property(fc.constantFrom(...WHOLE), fc.array(fc.integer({ min: 0, max: 127 })), (datatype, data) => {
      assert.deepEqual([...Array.from(readNumbers(numbersTensor("x", datatype, [data.length], data)))], data);
    }),
  );
});

test("whole datatypes cut towards zero, hold at the ends of their range, and have 0 for NaN", () => {
  for (const datatype of WHOLE) {
    const data = [1.9, -1.9, Number.NaN, 1e300, -1e300];
    const [cut, negative, none, high = 0, low = 0] = Array.from(readNumbers(numbersTensor("x", datatype, [5], data)));
    const bits = ELEMENT_BYTES[datatype] * 8;
    const signed = datatype.startsWith("INT");
    assert.deepEqual([cut, negative, none], [1, signed ? -1 : 0, 0], datatype);
    assert.ok(high > 0.99 * 2 ** (signed ? bits - 1 : bits) - 2, datatype);
    assert.equal(low, signed ? -(2 ** (bits - 1)) : 0, datatype);
  }
});

test("bytes that do not lie where their type wants them are read all the same", () => {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setFloat32(1, 1.5, true);
  new DataView(bytes.buffer).setFloat32(5, -2, true);
  const tensor = { name: "x", datatype: "FP32" as const, shape: [2], bytes: bytes.subarray(1) };
  assert.deepEqual([...Array.from(readNumbers(tensor))], [1.5, -2]);
});
