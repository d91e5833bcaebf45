import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { holdsNumber, type NumericDatatype, nearestFor } from "../../protocol/number-range.ts";
import { halvesOf, numbersOf } from "../comparison/tensor-numbers.ts";
import { packNumbers } from "./packed-numbers.ts";

const WIDTH = { FP16: 5, BF16: 8 } as const;
const NAMES: readonly NumericDatatype[] = [
  ...(["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"] as const),
  ...(["FP16", "BF16", "FP32", "FP64"] as const),
];

function unpacked(datatype: NumericDatatype, bytes: Uint8Array, count: number): number[] {
  if (datatype !== "INT64" && datatype !== "UINT64") return [...numbersOf(datatype, bytes, count)];
  const { high, low } = halvesOf(datatype, bytes, count);
  return Array.from({ length: count }, (_, at) => high[2 * at + 1]! * 2 ** 32 + low[2 * at]!);
}

describe("packed numbers", () => {
  for (const datatype of ["FP16", "BF16"] as const) {
    const finite = Array.from({ length: datatype === "FP16" ? 0x7c00 : 0x7f80 }, (_, bits) => bits);
    const all = numbersOf(datatype, new Uint8Array(Uint16Array.from(finite).buffer), finite.length);
    const bitsOf = (values: readonly number[]) => [
      ...new Uint16Array(packNumbers(datatype, Float64Array.from(values)).buffer),
    ];

    test(`every ${datatype} that there is is packed as itself, with either sign`, () => {
      assert.deepEqual(bitsOf([...all]), finite);
      assert.deepEqual(
        bitsOf(Array.from(all, (value) => -value)),
        finite.map((bits) => bits | 0x8000),
      );
    });

    test(`what lies between two of ${datatype} becomes the nearer one, and in the middle the even one`, () => {
      const pairs = finite.slice(1).map((bits) => [all[bits - 1]!, all[bits]!, bits] as const);
      const between = (part: number) => bitsOf(pairs.map(([low, high]) => low + (high - low) * part));
      assert.deepEqual(
        between(0.49),
        pairs.map(([, , bits]) => bits - 1),
      );
      assert.deepEqual(
        between(0.51),
        pairs.map(([, , bits]) => bits),
      );
      assert.deepEqual(
        between(0.5),
        pairs.map(([, , bits]) => bits - (bits % 2)),
      );
    });

    test(`the first number that ${datatype} does not hold is the first that would become infinite`, () => {
      const largest = all.at(-1)!;
      const step = largest - all.at(-2)!;
      assert.ok(holdsNumber(datatype, largest + step * 0.499));
      assert.ok(!holdsNumber(datatype, largest + step / 2));
      const infinite = ((1 << WIDTH[datatype]) - 1) << (15 - WIDTH[datatype]);
      assert.deepEqual(bitsOf([largest + step * 0.499, largest + step / 2]), [finite.at(-1), infinite]);
    });
  }

  test("whatever a datatype holds is read back as it is, or as the nearest that is finite", () => {
    const value = fc.oneof(
      fc.double({ noNaN: true }),
      fc.integer(),
      fc.tuple(fc.constantFrom(1, -1), fc.nat(64), fc.integer({ min: -1, max: 1 })).map(([s, e, d]) => s * 2 ** e + d),
    );
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), value, (datatype, given) => {
        const nearest = nearestFor(datatype, given);
        fc.pre(holdsNumber(datatype, nearest));
        const [read = Number.NaN] = unpacked(datatype, packNumbers(datatype, Float64Array.of(nearest)), 1);
        assert.ok(Number.isFinite(read) && holdsNumber(datatype, read));
        if (datatype === "FP32") assert.equal(read, Math.fround(given));
        else if (datatype !== "FP16" && datatype !== "BF16") assert.equal(read + 0, nearest + 0);
      }),
      { numRuns: 3_000 },
    );
  });
});
