import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { rowsOfEqualLongs, rowsWithin, rowsWithSameTop } from "./agreeing-rows.ts";
import { comparedPart } from "./compared-part.ts";
import { LargestDifferences } from "./largest-differences.ts";
import { halvesOf } from "./tensor-numbers.ts";
import { EXACT } from "./tolerance.ts";

const { NaN: nan, POSITIVE_INFINITY: endless } = Number;
const within = (shape: readonly number[], a: number[], b: number[], tolerance = { absolute: 0.5, relative: 0.25 }) =>
  rowsWithin(Float32Array.from(a), Float32Array.from(b), comparedPart(shape), tolerance, new LargestDifferences());
const sameTop = (shape: readonly number[], a: number[], b: number[]) =>
  rowsWithSameTop(Float32Array.from(a), Float32Array.from(b), comparedPart(shape), new LargestDifferences());
const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

describe("rows within the tolerance", () => {
  test("it is as wide as the stable element makes it, on both sides, with its ends", () => {
    assert.equal(within([1], [4], [5.5]), 1);
    assert.equal(within([1], [4], [5.5625]), 0);
    assert.equal(within([1], [5.5625], [4]), 1);
    assert.equal(within([1], [-4], [-2.5]), 1);
    assert.equal(within([1], [-4], [-5.5625]), 0);
    assert.equal(within([1], [0], [-0.5]), 1);
  });

  test("every element of a row must be", () => {
    assert.equal(within([2, 2, 1], [1, 2, 3, 4], [1, 9, 3, 4]), 1);
    assert.equal(within([2, 2, 1], [1, 2, 3, 4], [9, 2, 3, 4]), 1);
    assert.equal(within([2, 2, 1], [1, 2, 3, 4], [1, 2, 9, 9]), 1);
  });

  test("infinities and NaN are within it of themselves only, even of an exact one", () => {
    const odd = [nan, endless, -endless, 1];
    for (const a of odd) {
      for (const b of odd) {
        for (const tolerance of [EXACT, undefined]) {
          assert.equal(within([1], [a], [b], tolerance), Object.is(a, b) ? 1 : 0, `${a} and ${b}`);
        }
      }
    }
  });
});

describe("rows with the same top", () => {
  test("of equal scores the first is the top", () => {
    assert.equal(sameTop([1, 3], [1, 1, 0], [1, 0, 0]), 1);
    assert.equal(sameTop([1, 3], [1, 1, 0], [0, 1, 0]), 0);
    assert.equal(sameTop([1, 2], [-endless, -endless], [1, 0]), 1);
  });

  test("NaN is the top, and agrees only with NaN at its place", () => {
    assert.equal(sameTop([1, 3], [1, nan, 9], [7, nan, 2]), 1);
    assert.equal(sameTop([1, 3], [1, nan, nan], [endless, nan, 2]), 1);
    assert.equal(sameTop([1, 3], [1, nan, 2], [1, 9, 2]), 0);
    assert.equal(sameTop([1, 3], [nan, nan, 2], [1, nan, 2]), 0);
    assert.equal(sameTop([1, 2], [nan, 2], [3, 2]), 0);
  });

  test("tops are those that a plain search finds, at any rank", () => {
    const value = fc.constantFrom(0, 1, 2, -1, nan, endless, -endless);
    const size = fc.integer({ min: 1, max: 3 });
    const scores = fc.tuple(size, fc.array(size, { maxLength: 2 }), fc.integer({ min: 2, max: 4 })).chain((sizes) => {
      const shape = sizes.flat();
      const list = fc.array(value, { minLength: sizeOf(shape), maxLength: sizeOf(shape) });
      return fc.tuple(fc.constant(shape), list, list);
    });
    const top = (list: readonly number[]) => {
      const place = list.findIndex(Number.isNaN);
      return place === -1 ? `${list.indexOf(Math.max(...list))}` : `NaN at ${place}`;
    };
    const tops = (list: readonly number[], shape: readonly number[]) => {
      const last = shape.at(-1)!;
      const all = Array.from({ length: list.length / last }, (_, at) => top(list.slice(at * last, (at + 1) * last)));
      const perRow = all.length / shape[0]!;
      return Array.from({ length: shape[0]! }, (_, row) => all.slice(row * perRow, (row + 1) * perRow).join());
    };
    fc.assert(
      fc.property(scores, ([shape, a, b]) => {
        const other = tops(b, shape);
        const expected = tops(a, shape).filter((row, index) => row === other[index]).length;
        assert.equal(sameTop(shape, a, b), expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe("rows of equal 64-bit integers", () => {
  const compare = (datatype: "INT64" | "UINT64", a: bigint, b: bigint) => {
    // Negative ones have the same bits in both arrays.
    const halves = (value: bigint) => halvesOf(datatype, new Uint8Array(BigUint64Array.of(value).buffer), 1);
    const differences = new LargestDifferences();
    const equal = rowsOfEqualLongs(halves(a), halves(b), comparedPart([1]), differences);
    return { equal, absolute: differences.absolute, relative: differences.relative };
  };

  test("2^53 and the next one are apart by 1, and so are the largest ones there are", () => {
    assert.deepEqual(compare("INT64", 2n ** 53n, 2n ** 53n + 1n), { equal: 0, absolute: 1, relative: 2 ** -53 });
    assert.deepEqual(compare("UINT64", 2n ** 64n - 1n, 2n ** 64n - 2n), { equal: 0, absolute: 1, relative: 2 ** -64 });
    assert.equal(compare("INT64", 2n ** 63n - 1n, -(2n ** 63n)).absolute, 2 ** 64);
  });

  for (const [datatype, min, max] of [
    ["INT64", -(2n ** 63n), 2n ** 63n - 1n],
    ["UINT64", 0n, 2n ** 64n - 1n],
  ] as const) {
    test(`differences of ${datatype} are those of BigInt, rounded once`, () => {
      const any = fc.bigInt({ min, max });
      const step = fc.constantFrom(0n, 1n, -1n, 2n ** 32n, -(2n ** 32n) + 1n);
      const near = fc.tuple(any, step).map(([a, by]) => [a, a + by > max || a + by < min ? a : a + by] as const);
      fc.assert(
        fc.property(fc.oneof(fc.tuple(any, any), near), ([a, b]) => {
          const absolute = Number(a > b ? a - b : b - a);
          const size = Math.max(1, Math.abs(Number(a)), Math.abs(Number(b)));
          const expected = { equal: a === b ? 1 : 0, absolute, relative: absolute / size };
          assert.deepEqual(compare(datatype, a, b), expected);
        }),
        { numRuns: 300 },
      );
    });
  }
});
