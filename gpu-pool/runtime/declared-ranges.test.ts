import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DATATYPES } from "../../shared/protocol/datatype.ts";
import { canHaveRange, firstOutside } from "../../shared/protocol/value-range.ts";
import { withRanges } from "./declared-ranges.ts";
import { exampleInput } from "./example-input.ts";

const spec = (name: string, datatype: (typeof DATATYPES)[number]) => ({ name, datatype, shape: [-1, -1] });

describe("declared ranges", () => {
  test("are put where the inputs are, and the other inputs stay as they are", () => {
    const inputs = [spec("ids", "INT64"), spec("scale", "FP32")];
    const range = { min: 0, max: 30_521 };
    assert.deepEqual(withRanges(inputs, { ids: range }), [{ ...spec("ids", "INT64"), range }, inputs[1]]);
  });

  test("that do not fit the model are named all at once", () => {
    const inputs = [spec("ids", "INT32"), spec("text", "BYTES"), spec("mask", "BOOL")];
    const ranges = { ids: { min: 0.5, max: 2 ** 31 }, text: { max: 1 }, mask: { max: 1 }, lengths: { min: 0 } };
    assert.throws(() => withRanges(inputs, ranges), {
      message:
        "ranges do not fit the model: input 'ids' is INT32, which cannot hold 0.5; " +
        "input 'ids' is INT32, which cannot hold 2147483648; input 'text' is BYTES, which has no ranges; " +
        "input 'mask' is BOOL, which has no ranges; there is no input 'lengths'",
    });
  });

  /** Ends that every datatype can hold. */
  const bound = fc.integer({ min: 0, max: 127 });
  const datatype = fc.constantFrom(...DATATYPES.filter(canHaveRange));
  const ROWS = 3;

  test("hold for the inputs that a model is warmed with", () => {
    const range = fc.oneof(
      bound.map((min) => ({ min })),
      bound.map((max) => ({ max })),
    );
    fc.assert(
      fc.property(datatype, range, fc.nat(10), (datatype, range, seed) => {
        const example = exampleInput({ ...spec("x", datatype), range }, ROWS, 2, seed);
        assert.equal(firstOutside(range, example), undefined);
      }),
    );
  });

  const floats: [(typeof DATATYPES)[number], number][] = [
    ["FP16", 65_504],
    ["FP32", 3.4028234663852886e38],
    ["FP64", Number.MAX_VALUE],
  ];
  for (const [datatype, largest] of floats) {
    test(`hold for ${datatype} wherever they lie, and however narrow they are`, () => {
      const end = fc.double({ min: -largest, max: largest, noNaN: true });
      const ends = fc.oneof(
        fc.tuple(end, end).map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) })),
        end.map((both) => ({ min: both, max: both })),
        end.map((min) => ({ min })),
        end.map((max) => ({ max })),
      );
      fc.assert(
        fc.property(ends, fc.nat(10), (range, seed) => {
          const example = exampleInput({ ...spec("x", datatype), range }, ROWS, 2, seed);
          assert.equal(firstOutside(range, example), undefined);
          // Neither Infinity: no caller would expect a model to take it.
          assert.equal(firstOutside({ min: -largest, max: largest }, example), undefined);
        }),
      );
    });
  }

  test("leave these inputs different from row to row, so that rows which get mixed up show", () => {
    fc.assert(
      fc.property(
        datatype,
        fc.uniqueArray(bound, { minLength: 2, maxLength: 2 }),
        fc.nat(10),
        (datatype, ends, seed) => {
          const range = { min: Math.min(...ends), max: Math.max(...ends) };
          const example = exampleInput({ ...spec("x", datatype), range }, ROWS, 2, seed);
          assert.equal(firstOutside(range, example), undefined);
          const length = example.bytes.length / ROWS;
          const rows = [0, 1, 2].map((row) =>
            Buffer.from(example.bytes).toString("hex", row * length, (row + 1) * length),
          );
          assert.notEqual(rows[0], rows[1]);
          assert.notEqual(rows[1], rows[2]);
        },
      ),
    );
  });
});
