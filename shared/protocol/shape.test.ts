import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_CODEC_LIMITS as LIMITS } from "./limits.ts";
import { elementCount, readShape } from "./shape.ts";

describe("elementCount", () => {
  test("a scalar holds one element", () => assert.equal(elementCount([], LIMITS), 1));
  test("a shape holds the product of its dimensions", () => assert.equal(elementCount([2, 3, 4], LIMITS), 24));
  test("a dimension of 0 makes the tensor empty", () => assert.equal(elementCount([0, 5], LIMITS), 0));
  test("the limit itself is allowed", () => assert.equal(elementCount([2 ** 28], LIMITS), 2 ** 28));

  const hostile: Record<string, number[]> = {
    "a product beyond 2^53": [2 ** 32, 2 ** 32],
    "a product that overflows to Infinity": new Array<number>(16).fill(2 ** 53 - 1),
    "an unsafe dimension hidden by a 0": [2 ** 53 + 2, 0],
    "a product hidden by a 0 in front": [0, 2 ** 20, 2 ** 20],
    "one above the limit": [2 ** 28 + 1],
    "a negative dimension": [-1, 4],
    "two negative dimensions with a positive product": [-2, -2],
    "a fraction": [1.5],
    "minus zero": [-0],
    NaN: [Number.NaN],
    Infinity: [Number.POSITIVE_INFINITY],
    "33 dimensions": new Array<number>(33).fill(1),
  };
  for (const [name, shape] of Object.entries(hostile)) {
    test(`refuses ${name}`, () => {
      assert.throws(() => elementCount(shape, LIMITS, "input 'x'"), { code: "invalid_shape", message: /^input 'x' / });
    });
  }
});

describe("readShape", () => {
  for (const value of [undefined, null, 3, "3", {}, ["3"], [null], [[3]], [true], { length: 1, 0: 3 }]) {
    test(`refuses ${JSON.stringify(value)}`, () => {
      assert.throws(() => readShape(value, "input 'x'"), { code: "invalid_shape", message: /input 'x'/ });
    });
  }
  test("stops at the limit of dimensions without looking at them all", () => {
    assert.throws(() => readShape(new Array(1e6), "input 'x'"), { code: "invalid_shape", message: /1000000 dim/ });
  });
});
