import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Datatype } from "../../shared/protocol/datatype.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { sameWithin } from "./tensor-compare.ts";

const tensor = (datatype: Datatype, values: ArrayBufferView & { length: number }, shape = [values.length]): Tensor => ({
  name: "t",
  datatype,
  shape,
  bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});
const fp32 = (...values: number[]) => tensor("FP32", Float32Array.from(values));
const fp64 = (...values: number[]) => tensor("FP64", Float64Array.from(values));

describe("whether two tensors are the same answer", () => {
  test("floats that differ by rounding are the same", () => {
    assert.ok(sameWithin(fp32(1, 1000, 1e-9), fp32(1.00001, 1000.01, 0)));
    assert.ok(sameWithin(fp64(1e6), fp64(1e6 * (1 + 1e-9))));
    assert.ok(sameWithin(tensor("FP16", Uint16Array.of(0x3c00)), tensor("FP16", Uint16Array.of(0x3c02))));
  });

  test("floats that differ by more are not", () => {
    assert.equal(sameWithin(fp32(1, 2), fp32(1, 2.1)), false);
    assert.equal(sameWithin(fp64(1), fp64(1.0001)), false);
    assert.equal(sameWithin(tensor("FP16", Uint16Array.of(0x3c00)), tensor("FP16", Uint16Array.of(0x3d00))), false);
  });

  test("small answers are held against their own size: 0.0001 and 0.0002 are not the same", () => {
    assert.equal(sameWithin(fp32(1e-4, 2e-4), fp32(2e-4, 1e-4)), false);
    assert.equal(sameWithin(fp64(1e-9, 3e-9), fp64(2e-9, 3e-9)), false);
    assert.ok(sameWithin(fp32(1e-4, 2e-4), fp32(1.00001e-4, 2e-4)));
  });

  test("NaN and infinities are the same only as themselves", () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1];
    assert.ok(sameWithin(fp32(...odd), fp32(...odd)));
    for (const a of odd) for (const b of odd) assert.equal(sameWithin(fp32(a), fp32(b)), Object.is(a, b), `${a} ${b}`);
    assert.equal(sameWithin(fp32(Number.POSITIVE_INFINITY, 1), fp32(Number.POSITIVE_INFINITY, 2)), false);
  });

  test("zero has no sign", () => {
    assert.ok(sameWithin(fp32(0), fp32(-0)));
  });

  test("whole numbers and strings are the same only bit by bit", () => {
    assert.ok(sameWithin(tensor("INT64", BigInt64Array.of(5n)), tensor("INT64", BigInt64Array.of(5n))));
    assert.equal(sameWithin(tensor("INT64", BigInt64Array.of(5n)), tensor("INT64", BigInt64Array.of(6n))), false);
    assert.equal(sameWithin(tensor("BYTES", Buffer.from("a")), tensor("BYTES", Buffer.from("b"))), false);
  });

  test("another shape or datatype is another answer, whatever the bytes", () => {
    const values = Float32Array.of(1, 2);
    assert.equal(sameWithin(tensor("FP32", values, [2]), tensor("FP32", values, [1, 2])), false);
    assert.equal(sameWithin(tensor("FP32", values), tensor("INT32", values)), false);
    assert.equal(sameWithin(fp32(1), fp32(1, 2)), false);
  });

  test("a tensor inside a larger buffer is read where it lies", () => {
    const shared = Float32Array.of(9, 1, 2, 9);
    assert.ok(sameWithin(tensor("FP32", shared.subarray(1, 3)), fp32(1, 2)));
  });
});
