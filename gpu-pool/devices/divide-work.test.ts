import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import type { Work } from "../runtime/batch-executor.ts";
import { dividingWork } from "./divide-work.ts";

const { divide, join, rowsOf } = dividingWork(true);

/** As many strings as rows, each of its own length. */
function strings(rows: number): Tensor {
  const parts = Array.from({ length: rows }, (_, row) => {
    const part = new Uint8Array(4 + row);
    new DataView(part.buffer).setUint32(0, row, true);
    return part.fill(row, 4);
  });
  return { name: "text", datatype: "BYTES", shape: [rows], bytes: Buffer.concat(parts) };
}

function numbers(rows: number): Tensor {
  const values = Float32Array.from({ length: rows * 3 }, (_, at) => at);
  // Inputs are views into a request's body.
  const body = new Uint8Array(values.byteLength + 5);
  body.set(new Uint8Array(values.buffer), 5);
  return { name: "x", datatype: "FP32", shape: [rows, 3], bytes: body.subarray(5) };
}

function work(rows: number): Work {
  return { inputs: [numbers(rows), strings(rows)], outputs: ["x", "text"], rows };
}

describe("dividing a request", () => {
  test("pieces have at most so many rows, and joined again they are the request", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }), (rows, most) => {
        const pieces = divide(work(rows), most);
        assert.ok(
          pieces.every((piece) => rowsOf(piece) <= most && piece.inputs.every(({ shape }) => shape[0] === piece.rows)),
        );
        const [first, ...rest] = pieces.map(({ inputs }) => ({ outputs: inputs, computeMs: 2 }));
        const whole = join([first!, ...rest]);
        assert.deepEqual(
          whole.outputs.map(({ name, shape, bytes }) => [name, shape, Buffer.from(bytes)]),
          work(rows).inputs.map(({ name, shape, bytes }) => [name, shape, Buffer.from(bytes)]),
        );
        assert.equal(whole.computeMs, 2 * pieces.length);
      }),
    );
  });

  test("a request of a model that is not batched stays whole", () => {
    const whole = work(4);
    assert.deepEqual(dividingWork(false).divide(whole, 1), [whole]);
  });
});
