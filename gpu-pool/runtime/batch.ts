/** Many requests' tensors as one batch, and one batch's outputs as many answers. */
import { ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import type { TransferableTensor } from "./ort-tensor.ts";

/**
 * Joins tensors of the same name, datatype and trailing shape along their first dimension.
 *
 * @param parts one tensor a request, at least one
 * @returns a tensor whose first dimension is the sum of theirs, in a buffer of its own
 */
export function joinRows(parts: readonly [Tensor, ...Tensor[]]): TransferableTensor {
  const [first] = parts;
  let rows = 0;
  let length = 0;
  for (const part of parts) {
    rows += part.shape[0] ?? 0;
    length += part.bytes.byteLength;
  }
  const buffer = new ArrayBuffer(length);
  const joined = new Uint8Array(buffer);
  let offset = 0;
  for (const part of parts) {
    joined.set(part.bytes, offset);
    offset += part.bytes.byteLength;
  }
  const shape = parts.length === 1 ? first.shape : [rows, ...first.shape.slice(1)];
  return { name: first.name, datatype: first.datatype, shape, buffer };
}

/**
 * Cuts a batched output into the requests' shares, without copying.
 *
 * @param rowCounts rows of each request, in the order in which they were joined
 * @throws Error when the output does not have as many rows as went in
 */
export function splitRows(output: TransferableTensor, rowCounts: readonly number[]): Tensor[] {
  const { name, datatype, shape, buffer } = output;
  const rows = rowCounts.reduce((sum, count) => sum + count, 0);
  if (shape[0] !== rows) throw new Error(`output '${name}' has ${shape[0]} rows for ${rows} rows of input`);
  const rest = shape.slice(1);
  const elementsPerRow = rest.reduce((product, size) => product * size, 1);
  let offset = 0;
  return rowCounts.map((count) => {
    const end =
      datatype === "BYTES"
        ? skipElements(buffer, offset, count * elementsPerRow)
        : offset + count * elementsPerRow * ELEMENT_BYTES[datatype];
    const tensor = { name, datatype, shape: [count, ...rest], bytes: new Uint8Array(buffer, offset, end - offset) };
    offset = end;
    return tensor;
  });
}

function skipElements(buffer: ArrayBuffer, from: number, count: number): number {
  const view = new DataView(buffer);
  let offset = from;
  for (let element = 0; element < count; element++) offset += 4 + view.getUint32(offset, true);
  return offset;
}
