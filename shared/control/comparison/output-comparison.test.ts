import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeBytesElements } from "../../protocol/bytes-elements.ts";
import { DATATYPES, type Datatype, ELEMENT_BYTES } from "../../protocol/datatype.ts";
import type { Tensor } from "../../protocol/tensor.ts";
import { compareOutputs } from "./output-comparison.ts";
import { DEFAULT_TOLERANCE, EXACT } from "./tolerance.ts";

const tensor = (datatype: Datatype, shape: readonly number[], values: ArrayBufferView, name = "y"): Tensor => ({
  ...{ name, datatype, shape },
  bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});
const fp32 = (shape: readonly number[], ...values: number[]) => tensor("FP32", shape, Float32Array.from(values));
const strings = (shape: readonly number[], ...texts: string[]) =>
  tensor("BYTES", shape, encodeBytesElements(texts.map((text) => new TextEncoder().encode(text))));

const compare = (a: Tensor, b: Tensor, tolerance = DEFAULT_TOLERANCE) => {
  const { outputs, agrees } = compareOutputs([a], [b], tolerance);
  assert.equal(outputs.length, 1);
  return { agrees, output: outputs[0]! };
};
const numbers = (a: Tensor, b: Tensor, tolerance = DEFAULT_TOLERANCE) => {
  const { output } = compare(a, b, tolerance);
  assert.ok(output.kind === "numbers");
  return output;
};
const agreeing = (a: Tensor, b: Tensor, tolerance = DEFAULT_TOLERANCE) => {
  const { output } = compare(a, b, tolerance);
  assert.ok(output.kind !== "incomparable");
  return output.agreeingRows;
};

const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
/** Any bits, so floats are often NaN, infinite or subnormal, and so few that elements are often equal. */
const bytesFor = (datatype: Datatype, count: number): fc.Arbitrary<Uint8Array> => {
  if (datatype === "BYTES") {
    const element = fc.uint8Array({ maxLength: 3, max: 2 });
    return fc.array(element, { minLength: count, maxLength: count }).map(encodeBytesElements);
  }
  const length = count * ELEMENT_BYTES[datatype];
  const exact = { minLength: length, maxLength: length };
  if (datatype === "BOOL") return fc.uint8Array({ ...exact, max: 1 });
  const byte = fc.oneof(fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));
  return fc.array(byte, exact).map((list) => Uint8Array.from(list));
};
/** Two tensors of one form. */
const pairs = fc
  .record({ datatype: fc.constantFrom(...DATATYPES), shape: shapes })
  .chain(({ datatype, shape }) =>
    fc
      .tuple(bytesFor(datatype, sizeOf(shape)), bytesFor(datatype, sizeOf(shape)))
      .map(([a, b]): [Tensor, Tensor] => [tensor(datatype, shape, a), tensor(datatype, shape, b)]),
  );

describe("comparing two answers", () => {
  test("an answer agrees with itself and differs by nothing, whatever it holds", () => {
    fc.assert(
      fc.property(pairs, fc.constantFrom(DEFAULT_TOLERANCE, EXACT), ([a], tolerance) => {
        const { agrees, output } = compare(a, { ...a, bytes: a.bytes.slice() }, tolerance);
        assert.ok(agrees);
        assert.ok(output.kind !== "incomparable");
        assert.equal(output.rows, a.shape[0] ?? 1);
        assert.equal(output.agreeingRows, output.rows);
        if (output.kind === "numbers") assert.deepEqual([output.maxAbsolute, output.maxRelative], [0, 0]);
        assert.equal(output.kind === "values", a.datatype === "BOOL" || a.datatype === "BYTES");
      }),
    );
  });

  test("differences are the same from both sides, relative ones at most 2 or endless, and nothing is changed", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const before = [a.bytes.slice(), b.bytes.slice()];
        const [there, back] = [compare(a, b).output, compare(b, a).output];
        assert.ok(there.kind !== "incomparable" && back.kind !== "incomparable");
        const isToleranced = /^(FP|BF)/.test(a.datatype) && (a.shape.length < 2 || a.shape.at(-1)! < 2);
        assert.deepEqual(there, isToleranced ? { ...back, agreeingRows: there.agreeingRows } : back);
        if (there.kind === "numbers") {
          const { maxAbsolute, maxRelative } = there;
          assert.ok(maxAbsolute >= 0 && maxRelative >= 0, `${maxAbsolute}, ${maxRelative}`);
          assert.ok(maxRelative <= 2 || maxRelative === Number.POSITIVE_INFINITY, `${maxRelative}`);
          assert.equal(maxAbsolute === 0, maxRelative === 0);
        }
        assert.deepEqual([a.bytes, b.bytes], before);
      }),
    );
  });

  test("where the bytes lie in their buffer makes no difference", () => {
    const moved = (original: Tensor, offset: number): Tensor => {
      const buffer = new Uint8Array(original.bytes.length + 16).fill(0xff);
      buffer.set(original.bytes, offset);
      return { ...original, bytes: buffer.subarray(offset, offset + original.bytes.length) };
    };
    const offset = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(pairs, offset, offset, ([a, b], left, right) =>
        assert.deepEqual(compare(moved(a, left), moved(b, right)), compare(a, b)),
      ),
    );
  });

  test("only the stable answer's outputs count, each by its name, in their order", () => {
    const stable = [fp32([2], 1, 2), tensor("INT32", [1], Int32Array.of(5), "label")];
    const { agrees, outputs } = compareOutputs(
      stable,
      [tensor("FP32", [1], Float32Array.of(9), "extra"), ...stable.toReversed()],
      DEFAULT_TOLERANCE,
    );
    assert.ok(agrees);
    assert.deepEqual(
      outputs.map(({ name }) => name),
      ["y", "label"],
    );
  });

  test("an output that is missing or has another form is incomparable, and the answer does not agree", () => {
    const stable = fp32([1, 2], 1, 2);
    const label = tensor("INT32", [1], Int32Array.of(5), "label");
    for (const [what, other] of Object.entries<readonly Tensor[]>({
      missing: [],
      renamed: [{ ...stable, name: "z" }],
      "of another datatype": [{ ...stable, datatype: "INT32" }],
      "of another shape": [{ ...stable, shape: [2, 1] }],
      "of another rank": [{ ...stable, shape: [1, 2, 1] }],
      "with too few bytes": [{ ...stable, bytes: stable.bytes.subarray(0, 7) }],
      "with too many bytes": [{ ...stable, bytes: new Uint8Array(12) }],
    })) {
      const { agrees, outputs } = compareOutputs([stable, label], [...other, label], DEFAULT_TOLERANCE);
      assert.equal(agrees, false, what);
      assert.deepEqual(outputs[0], { kind: "incomparable", name: "y" }, what);
      assert.ok(outputs[1]?.kind === "numbers" && outputs[1].agreeingRows === 1, what);
    }
  });

  test("BYTES that are cut off are incomparable, whichever side's", () => {
    const whole = strings([2], "ab", "c");
    for (let length = 0; length < whole.bytes.length; length++) {
      const cut = { ...whole, bytes: whole.bytes.subarray(0, length) };
      assert.equal(compare(whole, cut).output.kind, "incomparable", `${length}`);
      assert.equal(compare(cut, whole).output.kind, "incomparable", `${length}`);
    }
  });

  test("of a large output the first million elements are compared, and the rows say so", () => {
    const shape = [1001, 1000];
    const [stable, candidate] = [new Float32Array(1_001_000), new Float32Array(1_001_000)];
    candidate[999_999] = 2;
    candidate[1_000_000] = 7;
    const seen = numbers(tensor("FP32", shape, stable), tensor("FP32", shape, candidate));
    assert.deepEqual([seen.rows, seen.agreeingRows, seen.maxAbsolute], [1000, 999, 2]);
    const longs = new BigInt64Array(1_000_001);
    const other = longs.slice();
    other[1_000_000] = 1n;
    assert.ok(compare(tensor("INT64", [1_000_001], longs), tensor("INT64", [1_000_001], other)).agrees);
    const texts = tensor("BYTES", [1_000_001], new Uint8Array(4 * 1_000_001));
    assert.deepEqual(compare(texts, texts).output, {
      ...{ kind: "values", name: "y" },
      ...{ rows: 1_000_000, agreeingRows: 1_000_000 },
    });
    const nothing = tensor("FP32", [2 ** 28, 0], new Uint8Array());
    assert.ok(compare(nothing, nothing).agrees);
  });
});

describe("differences", () => {
  /** Small whole numbers from 0, in every datatype that has them exactly. */
  const encoders: Partial<Record<Datatype, (values: number[]) => ArrayBufferView>> = {
    UINT8: (values) => Uint8Array.from(values),
    UINT16: (values) => Uint16Array.from(values),
    UINT32: (values) => Uint32Array.from(values),
    UINT64: (values) => BigUint64Array.from(values, BigInt),
    INT8: (values) => Int8Array.from(values),
    INT16: (values) => Int16Array.from(values),
    INT32: (values) => Int32Array.from(values),
    INT64: (values) => BigInt64Array.from(values, BigInt),
    FP16: (values) =>
      Uint16Array.from(values, (value) => {
        const exponent = Math.floor(Math.log2(value));
        return value === 0 ? 0 : ((exponent + 15) << 10) | ((value / 2 ** exponent - 1) * 1024);
      }),
    BF16: (values) => Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16),
    FP32: (values) => Float32Array.from(values),
    FP64: (values) => Float64Array.from(values),
  };

  for (const [datatype, encode] of Object.entries(encoders) as [Datatype, (values: number[]) => ArrayBufferView][]) {
    test(`one element of ${datatype} that was moved is found, with its exact size`, () => {
      const value = fc.integer({ min: 0, max: 100 });
      fc.assert(
        fc.property(
          fc.array(value, { minLength: 1, maxLength: 40 }),
          fc.nat(),
          fc.integer({ min: 1, max: 27 }),
          (values, where, by) => {
            const index = where % values.length;
            const moved = values.with(index, values[index]! + by);
            const shape = [values.length, 1];
            const found = numbers(
              tensor(datatype, shape, encode(values)),
              tensor(datatype, shape, encode(moved)),
              EXACT,
            );
            assert.equal(found.maxAbsolute, by);
            assert.equal(found.maxRelative, by / moved[index]!);
            assert.deepEqual([found.rows, found.agreeingRows], [values.length, values.length - 1]);
          },
        ),
        { numRuns: 50 },
      );
    });
  }
});

describe("rows that agree", () => {
  test("floats with at most one element along the last axis agree within the tolerance", () => {
    for (const shape of [[], [1], [1, 1], [1, 1, 1]]) {
      assert.equal(agreeing(fp32(shape, 100), fp32(shape, 104)), 1, `${shape}`);
      assert.equal(agreeing(fp32(shape, 100), fp32(shape, 106)), 0, `${shape}`);
    }
    assert.equal(agreeing(fp32([2], 100, 100), fp32([2], 106, 100)), 1);
  });

  test("scores agree when their top-1 does, however far they are apart", () => {
    const stable = fp32([2, 3], 0, 1, 2, 5, 3, 4);
    assert.ok(compare(stable, fp32([2, 3], -100, 7, 90, 5, 4.999, 4)).agrees);
    assert.equal(agreeing(stable, fp32([2, 3], 0, 1, 2, 3, 5, 4)), 1);
    assert.equal(agreeing(fp32([1, 2], 1, 2), fp32([1, 2], 0, 9)), 1);
    assert.equal(compare(stable, fp32([2, 3], 0, 1, 2, 3, 5, 4)).agrees, false);
  });

  test("integers, BOOL and BYTES agree in rows that are equal in every element", () => {
    const int32 = (...values: number[]) => tensor("INT32", [2, 2], Int32Array.from(values));
    assert.equal(agreeing(int32(1000, 5, 7, 8), int32(1001, 5, 7, 8)), 1);
    const bool = (...values: number[]) => tensor("BOOL", [3], Uint8Array.from(values));
    assert.equal(agreeing(bool(0, 1, 1), bool(0, 0, 1)), 2);
    assert.equal(agreeing(strings([3], "cat", "", "dog"), strings([3], "cat", "", "dot")), 2);
    assert.equal(agreeing(strings([3], "cat", "", "dog"), strings([3], "ca", "tt", "dog")), 1);
    assert.equal(agreeing(strings([2, 2], "a", "b", "c", "d"), strings([2, 2], "a", "x", "c", "d")), 1);
    assert.equal(agreeing(strings([2, 2], "a", "b", "c", "d"), strings([2, 2], "x", "b", "c", "d")), 1);
    assert.equal(compare(strings([1], "cat"), strings([1], "cats")).agrees, false);
  });

  test("an output with no elements agrees", () => {
    for (const shape of [[0], [0, 5], [3, 0]]) assert.ok(compare(fp32(shape), fp32(shape)).agrees, `${shape}`);
  });
});
