import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Datatype } from "./datatype.ts";
import { fp16Bits, fp16Value } from "./short-floats.ts";
import { checkValues, firstOutside, type ValueRange } from "./value-range.ts";

type Values = ArrayBufferView & Iterable<number | bigint>;

/** At an offset where no wider type may begin: what comes behind a JSON header does. */
function tensor(datatype: Datatype, values: Values) {
  const bytes = new Uint8Array(values.byteLength + 1).subarray(1);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return { name: "ids", datatype, shape: [[...values].length], bytes };
}

const isInside = ({ min, max }: ValueRange, value: number | bigint) =>
  !Number.isNaN(value) && (min === undefined || value >= min) && (max === undefined || value <= max);

/** A range and numbers around its ends, where mistakes would be. */
const cases = (bound: fc.Arbitrary<number>, value: fc.Arbitrary<number | bigint>) =>
  fc
    .tuple(fc.option(bound, { nil: undefined }), fc.option(bound, { nil: undefined }))
    .chain(([min, max]) => fc.record({ range: fc.constant({ min, max }), values: fc.array(value, { maxLength: 20 }) }));

const whole = (bits: number, signed: boolean) => {
  const min = signed ? -(2 ** (bits - 1)) : 0;
  const range = { min, max: min + 2 ** bits - 1 };
  return cases(fc.integer(range), fc.integer(range));
};
const safe = fc.maxSafeInteger();
const wide = (least: bigint, most: bigint) =>
  cases(
    safe,
    fc.oneof(
      fc.bigInt(least, most),
      safe.map(BigInt).filter((value) => value >= least && value <= most),
    ),
  );
const bounds = fc.double({ noNaN: true, noDefaultInfinity: true });
const floats = cases(bounds, fc.double());

/** As the datatype has it. */
const ROUNDED: Readonly<Partial<Record<Datatype, (value: number) => number>>> = {
  FP16: (value) => fp16Value(fp16Bits(value)),
  FP32: Math.fround,
};
const rounded = (datatype: Datatype, { min, max }: ValueRange): ValueRange => {
  const round = ROUNDED[datatype] ?? ((value: number) => value);
  return { min: min === undefined ? min : round(min), max: max === undefined ? max : round(max) };
};

const TYPES = [
  ["UINT8", (values) => Uint8Array.from(values, Number), whole(8, false)],
  ["UINT16", (values) => Uint16Array.from(values, Number), whole(16, false)],
  ["UINT32", (values) => Uint32Array.from(values, Number), whole(32, false)],
  ["INT8", (values) => Int8Array.from(values, Number), whole(8, true)],
  ["INT16", (values) => Int16Array.from(values, Number), whole(16, true)],
  ["INT32", (values) => Int32Array.from(values, Number), whole(32, true)],
  ["INT64", (values) => BigInt64Array.from(values, BigInt), wide(-(2n ** 63n), 2n ** 63n - 1n)],
  ["UINT64", (values) => BigUint64Array.from(values, BigInt), wide(0n, 2n ** 64n - 1n)],
  ["FP32", (values) => Float32Array.from(values, Number), floats],
  ["FP64", (values) => Float64Array.from(values, Number), floats],
] satisfies [Datatype, (values: readonly (number | bigint)[]) => Values, ReturnType<typeof cases>][];

describe("a range of values", () => {
  for (const [datatype, pack, given] of TYPES) {
    test(`finds the first ${datatype} outside, wherever it is`, () => {
      fc.assert(
        fc.property(given, ({ range, values }) => {
          const packed = pack(values);
          const ends = rounded(datatype, range);
          const first = [...packed].findIndex((value) => !isInside(ends, value));
          assert.equal(firstOutside(range, tensor(datatype, packed)), first === -1 ? undefined : first);
        }),
      );
    });
  }

  test("finds the first FP16 outside, wherever it is", () => {
    fc.assert(
      fc.property(floats, fc.uint16Array({ maxLength: 20 }), ({ range }, halves) => {
        const ends = rounded("FP16", range);
        const first = [...halves].findIndex((bits) => !isInside(ends, fp16Value(bits)));
        assert.equal(firstOutside(range, tensor("FP16", halves)), first === -1 ? undefined : first);
      }),
    );
  });

  test("takes every decimal that is inside, however its datatype rounds it", () => {
    fc.assert(
      fc.property(fc.tuple(bounds, bounds, bounds), (three) => {
        const [min = 0, value = 0, max = 0] = three.toSorted((a, b) => a - b);
        const range = { min, max };
        assert.equal(firstOutside(range, tensor("FP32", Float32Array.of(value))), undefined);
        assert.equal(firstOutside(range, tensor("FP16", Uint16Array.of(fp16Bits(value)))), undefined);
      }),
    );
    assert.equal(firstOutside({ min: 0.1, max: 0.1 }, tensor("FP32", Float32Array.of(0.1))), undefined);
  });

  test("includes its ends", () => {
    assert.equal(firstOutside({ min: -1, max: 3 }, tensor("INT64", BigInt64Array.of(-1n, 3n))), undefined);
    assert.equal(firstOutside({ min: 0.5, max: 0.5 }, tensor("FP32", Float32Array.of(0.5))), undefined);
  });

  test("never includes NaN, and Infinity only where that end is open", () => {
    assert.equal(firstOutside({ min: 0 }, tensor("FP32", Float32Array.of(Number.POSITIVE_INFINITY))), undefined);
    assert.equal(firstOutside({ max: 0 }, tensor("FP32", Float32Array.of(Number.POSITIVE_INFINITY))), 0);
    assert.equal(firstOutside({ min: 0 }, tensor("FP64", Float64Array.of(0, Number.NaN))), 1);
    // Of either sign: the bits of the negative one would sort below all numbers.
    for (const nan of [0x7e00, 0xfe00]) {
      assert.equal(firstOutside({ min: -1 }, tensor("FP16", Uint16Array.of(nan))), 0);
      assert.equal(firstOutside({ max: 1 }, tensor("FP16", Uint16Array.of(nan))), 0);
    }
  });

  test("tells what is outside exactly, where it is, and what is taken", () => {
    const told = (range: ValueRange, datatype: Datatype, values: Values) => () =>
      checkValues(range, tensor(datatype, values));
    const error = (message: string) => ({ code: "invalid_data", message });
    assert.throws(
      told({ min: 0, max: 3 }, "INT64", BigInt64Array.of(0n, 9_007_199_254_740_993n)),
      error("input 'ids' has 9007199254740993 at element 1; the model takes 0 to 3"),
    );
    assert.throws(
      told({ min: 0 }, "FP16", Uint16Array.of(0xb800)),
      error("input 'ids' has -0.5 at element 0; the model takes at least 0"),
    );
    assert.throws(
      told({ max: 7 }, "UINT8", Uint8Array.of(8)),
      error("input 'ids' has 8 at element 0; the model takes at most 7"),
    );
    assert.doesNotThrow(told({ max: 8 }, "UINT8", Uint8Array.of(8)));
  });
});
