import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { halvesOf, numbersOf } from "./tensor-numbers.ts";

const bytesOf = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const fp16 = (...bits: number[]) => [...numbersOf("FP16", bytesOf(Uint16Array.from(bits)), bits.length)];

describe("elements as numbers", () => {
  test("FP16 has its smallest, largest and special values where IEEE 754 has them", () => {
    assert.deepEqual(fp16(0x0000, 0x0001, 0x03ff, 0x0400), [0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14]);
    assert.deepEqual(fp16(0x3555, 0x3c00, 0xc000, 0x7bff), [0.333251953125, 1, -2, 65504]);
    assert.deepEqual(fp16(0x7c00, 0xfc00, 0x7c01, 0xfe00), [1 / 0, -1 / 0, Number.NaN, Number.NaN]);
    assert.ok(Object.is(fp16(0x8000)[0], -0));
  });

  test("each FP16 is larger than the one before it, by the same step up to twice the size", () => {
    const all = fp16(...Array.from({ length: 0x7c00 }, (_, bits) => bits));
    for (let bits = 1; bits < all.length; bits++) {
      const binade = Math.max(1, (bits - 1) >> 10);
      assert.equal(all[bits]! - all[bits - 1]!, 2 ** (binade - 25), `${bits}`);
    }
    assert.deepEqual(
      fp16(...all.map((_, bits) => bits | 0x8000)),
      all.map((value) => -value),
    );
  });

  test("BF16 is the upper half of an FP32", () => {
    const values = [0, 1, -2.5, 3.140625, 2 ** 127, 2 ** -126, 2 ** -133, 1 / 0, -1 / 0, Number.NaN];
    const upper = Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16);
    assert.deepEqual([...numbersOf("BF16", bytesOf(upper), values.length)], values);
  });

  test("integers keep their sign and width", () => {
    const bytes = Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x80);
    assert.deepEqual([...numbersOf("UINT8", bytes, 2)], [254, 255]);
    assert.deepEqual([...numbersOf("INT8", bytes, 2)], [-2, -1]);
    assert.deepEqual([...numbersOf("UINT16", bytes, 2)], [65534, 65535]);
    assert.deepEqual([...numbersOf("INT16", bytes, 4)], [-2, -1, 1, -32768]);
    assert.deepEqual([...numbersOf("UINT32", bytes, 2)], [2 ** 32 - 2, 2 ** 31 + 1]);
    assert.deepEqual([...numbersOf("INT32", bytes, 2)], [-2, 1 - 2 ** 31]);
    assert.deepEqual([...numbersOf("BOOL", Uint8Array.of(1, 0), 2)], [1, 0]);
    const long = bytesOf(BigInt64Array.of(-2n));
    assert.deepEqual([...halvesOf("INT64", long, 1).high], [-2, -1]);
    assert.deepEqual([...halvesOf("UINT64", long, 1).high], [2 ** 32 - 2, 2 ** 32 - 1]);
  });

  test("aligned FP32 and FP64 are read where they lie", () => {
    const buffer = new ArrayBuffer(32);
    assert.equal(numbersOf("FP32", new Uint8Array(buffer, 4, 8), 2).buffer, buffer);
    assert.equal(numbersOf("FP64", new Uint8Array(buffer, 8, 16), 2).buffer, buffer);
    assert.equal(halvesOf("INT64", new Uint8Array(buffer, 4, 16), 2).low.buffer, buffer);
  });
});
