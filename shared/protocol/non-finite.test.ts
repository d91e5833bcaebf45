import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Datatype } from "./datatype.ts";
import { firstNonFinite } from "./non-finite.ts";

const tensor = (datatype: Datatype, bytes: ArrayBufferLike) => ({
  name: "y",
  datatype,
  shape: [2],
  bytes: new Uint8Array(bytes),
});

describe("a tensor", () => {
  test("is found not to be finite in every floating-point type", () => {
    assert.equal(firstNonFinite(tensor("FP32", Float32Array.of(1, Number.NaN).buffer)), 1);
    assert.equal(firstNonFinite(tensor("FP64", Float64Array.of(Number.POSITIVE_INFINITY, 1).buffer)), 0);
    assert.equal(firstNonFinite(tensor("FP16", Uint16Array.of(0x3c00, 0xfc00).buffer)), 1);
    assert.equal(firstNonFinite(tensor("BF16", Uint16Array.of(0x3f80, 0x7fc0).buffer)), 1);
  });

  test("is finite when it is, the largest values included", () => {
    assert.equal(firstNonFinite(tensor("FP32", Float32Array.of(3.4e38, -0).buffer)), undefined);
    assert.equal(firstNonFinite(tensor("FP16", Uint16Array.of(0x7bff, 0xfbff).buffer)), undefined);
    assert.equal(firstNonFinite(tensor("INT64", BigInt64Array.of(-1n).buffer)), undefined);
  });
});
