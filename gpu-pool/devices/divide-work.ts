/** Requests' parts of a batch in smaller pieces, and the pieces' predictions as one. */
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { joinRows, splitRows } from "../runtime/batch.ts";
import type { Prediction, Work } from "../runtime/batch-executor.ts";
import type { Dividing } from "./recovering-executor.ts";

/** @param batched whether the first dimension is a batch; without one nothing can be divided */
export function dividingWork(batched: boolean): Dividing<Work, Prediction> {
  return {
    rowsOf: (work) => work.rows,
    divide: (work, rows) => (batched ? divideWork(work, rows) : [work]),
    join: joinPredictions,
  };
}

function divideWork({ inputs, outputs, rows }: Work, most: number): readonly Work[] {
  const counts: number[] = [];
  for (let left = rows; left > 0; left -= most) counts.push(Math.min(most, left));
  const shares = inputs.map((input) => splitRows({ ...input, buffer: copyOf(input.bytes) }, counts));
  return counts.map((count, piece) => ({
    inputs: shares.flatMap((share) => share[piece] ?? []),
    outputs,
    rows: count,
  }));
}

/** @returns the outputs one below the other; as compute time, that of all together */
function joinPredictions(predictions: readonly [Prediction, ...Prediction[]]): Prediction {
  const [first, ...others] = predictions;
  const outputs = first.outputs.map((output, index): Tensor => {
    const { name, datatype, shape, buffer } = joinRows([
      output,
      ...others.flatMap((other) => other.outputs[index] ?? []),
    ]);
    return { name, datatype, shape, bytes: new Uint8Array(buffer) };
  });
  return { outputs, computeMs: predictions.reduce((sum, { computeMs }) => sum + computeMs, 0) };
}

function copyOf(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return copy;
}
