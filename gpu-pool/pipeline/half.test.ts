import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHalf, toHalf } from "./half.ts";

test("every half that is a number becomes itself again", () => {
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const value = fromHalf(bits);
    if (!Number.isNaN(value)) assert.equal(toHalf(value), bits);
  }
});

test("a number becomes the nearest half, of two equally near the even one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7bfe }), fc.double({ min: 0, max: 1, noNaN: true }), (bits, part) => {
      const below = fromHalf(bits);
      const above = fromHalf(bits + 1);
      const value = below + (above - below) * part;
      const middle = (below + above) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      assert.equal(toHalf(value), value < middle ? bits : value > middle ? bits + 1 : even);
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
  ];
  for (const [value, bits] of known) assert.equal(toHalf(value), bits, String(value));
});
