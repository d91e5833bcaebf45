import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fp16Bits, fp16Value } from "./short-floats.ts";

test("every half that is a number becomes itself again", () => {
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const value = fp16Value(bits);
    if (!Number.isNaN(value)) assert.equal(fp16Bits(value), bits);
  }
});

test("a number becomes the nearest half, of two equally near the even one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7bfe }), fc.double({ min: 0, max: 1, noNaN: true }), (bits, part) => {
      const below = fp16Value(bits);
      const above = fp16Value(bits + 1);
      const value = below + (above - below) * part;
      const middle = (below + above) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      assert.equal(fp16Bits(value), value < middle ? bits : value > middle ? bits + 1 : even);
    }),
  );
});

test("the constants of IEEE 754 have their bits", () => {
  const known: [number, number][] = [
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 0x0001],
    [2 ** -14, 0x0400],
    [1 / 3, 0x3555],
    [-0, 0x8000],
    [Number.NaN, 0x7e00],
    [1e6, 0x7c00],
    [Number.MAX_VALUE, 0x7c00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ];
  for (const [value, bits] of known) assert.equal(fp16Bits(value), bits, String(value));
});
