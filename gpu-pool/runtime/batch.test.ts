import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { DATATYPES, ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { joinRows, splitRows } from "./batch.ts";

/** Tensors of one name, datatype and trailing shape, with different numbers of rows. */
const mates = fc
  .tuple(
    fc.constantFrom(...DATATYPES),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
  )
  .chain(([datatype, rest, rows]) =>
    fc.tuple(
      ...rows.map((count) => {
        const shape = [count, ...rest];
        const elements = shape.reduce((product, size) => product * size, 1);
        const length = datatype === "BYTES" ? 0 : elements * ELEMENT_BYTES[datatype];
        const bytes =
          datatype === "BYTES"
            ? fc
                .array(fc.uint8Array({ maxLength: 5 }), { minLength: elements, maxLength: elements })
                .map(encodeBytesElements)
            : fc.uint8Array({ minLength: length, maxLength: length });
        return bytes.map((content): Tensor => ({ name: "x", datatype, shape, bytes: content }));
      }),
    ),
  );

const plain = (tensor: Tensor) => ({ ...tensor, bytes: [...tensor.bytes] });

describe("batching tensors", () => {
  test("a batch that is filled up to a size holds copies of the last row, which nobody is given", () => {
    fc.assert(
      fc.property(mates, fc.integer({ min: 0, max: 9 }), ([first, ...others], more) => {
        const parts: [Tensor, ...Tensor[]] = [first!, ...others];
        const rowCounts = parts.map((part) => part.shape[0]!);
        const size = rowCounts.reduce((sum, count) => sum + count, 0) + more;
        const joined = joinRows(parts, size);
        assert.equal(joined.shape[0], size);
        assert.deepEqual(splitRows(joined, rowCounts, size).map(plain), parts.map(plain));
        const rows = splitRows(joined, new Array<number>(size).fill(1)).map(({ bytes }) => [...bytes]);
        for (const row of rows.slice(size - more)) assert.deepEqual(row, rows[size - more - 1]);
      }),
    );
  });

  test("what is joined and split again is what it was, for every datatype and shape", () => {
    fc.assert(
      fc.property(mates, ([first, ...others]) => {
        const parts: [Tensor, ...Tensor[]] = [first!, ...others];
        const rowCounts = parts.map((part) => part.shape[0]!);
        const joined = joinRows(parts);
        assert.equal(
          joined.shape[0],
          rowCounts.reduce((sum, count) => sum + count, 0),
        );
        assert.deepEqual(splitRows(joined, rowCounts).map(plain), parts.map(plain));
      }),
      { numRuns: 300 },
    );
  });

  test("a joined tensor has a buffer of its own, so that nobody's request is moved away with it", () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const { buffer } = joinRows([{ name: "x", datatype: "INT32", shape: [1], bytes }]);
    structuredClone(buffer, { transfer: [buffer] });
    assert.deepEqual([...bytes], [1, 2, 3, 4]);
  });

  test("a scalar alone stays a scalar", () => {
    const scalar: Tensor = { name: "x", datatype: "FP32", shape: [], bytes: new Uint8Array(4) };
    assert.deepEqual(joinRows([scalar]).shape, []);
  });

  test("an output with more or fewer rows than went in is refused, never handed out shifted", () => {
    const output = { name: "y", datatype: "INT32", shape: [3, 1], buffer: new ArrayBuffer(12) } as const;
    assert.throws(() => splitRows(output, [1, 1]), /3 rows for 2/);
    assert.throws(() => splitRows({ ...output, shape: [] }, [1, 1]), /rows for 2/);
  });
});
