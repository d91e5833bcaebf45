/** Many requests' tensors as one batch, and one batch's outputs as many answers. */
import { ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import type { TransferableTensor } from "./ort-tensor.ts";

/**
 * Joins tensors of the same name, datatype and trailing shape along their first dimension.
 *
 * @param parts one tensor a request, at least one
 * @param size rows that the whole is to have; what is missing is filled with copies of the last row
 * @returns a tensor whose first dimension is the sum of theirs, or `size`, in a buffer of its own
 */
export function joinRows(parts: readonly [Tensor, ...Tensor[]], size = 0): TransferableTensor {
  const [first] = parts;
  let rows = 0;
  let length = 0;
  for (const part of parts) {
    rows += part.shape[0] ?? 0;
    length += part.bytes.byteLength;
  }
  const filling = size > rows ? lastRow(parts.at(-1) ?? first) : undefined;
  const missing = filling ? size - rows : 0;
  const buffer = new ArrayBuffer(length + missing * (filling?.byteLength ?? 0));
  const joined = new Uint8Array(buffer);
  let offset = 0;
  for (const part of parts) {
    joined.set(part.bytes, offset);
    offset += part.bytes.byteLength;
  }
  for (let row = 0; filling && row < missing; row++) {
    joined.set(filling, offset);
    offset += filling.byteLength;
  }
  const shape = parts.length === 1 && missing === 0 ? first.shape : [rows + missing, ...first.shape.slice(1)];
  return { name: first.name, datatype: first.datatype, shape, buffer };
}

/** The bytes of a tensor's last row; the strings of a BYTES tensor have to be counted out. */
function lastRow({ datatype, shape, bytes }: Tensor): Uint8Array {
  const rows = shape[0] ?? 1;
  if (datatype !== "BYTES") return bytes.subarray(bytes.byteLength - bytes.byteLength / rows);
  const perRow = shape.slice(1).reduce((product, length) => product * length, 1);
  return bytes.subarray(skipElements(bytes, 0, (rows - 1) * perRow));
}

/**
 * Cuts a batched output into the requests' shares, without copying.
 *
 * @param rowCounts rows of each request, in the order in which they were joined
 * @param size rows that went in, when more than the requests' own
 * @throws Error when the output does not have as many rows as went in
 */
export function splitRows(output: TransferableTensor, rowCounts: readonly number[], size = 0): Tensor[] {
  const { name, datatype, shape, buffer } = output;
  const own = rowCounts.reduce((sum, count) => sum + count, 0);
  const rows = Math.max(own, size);
  if (shape[0] !== rows) throw new Error(`output '${name}' has ${shape[0]} rows for ${rows} rows of input`);
  const rest = shape.slice(1);
  const elementsPerRow = rest.reduce((product, size) => product * size, 1);
  const bytes = new Uint8Array(buffer);
  let offset = 0;
  return rowCounts.map((count) => {
    const end =
      datatype === "BYTES"
        ? skipElements(bytes, offset, count * elementsPerRow)
        : offset + count * elementsPerRow * ELEMENT_BYTES[datatype];
    const tensor = { name, datatype, shape: [count, ...rest], bytes: new Uint8Array(buffer, offset, end - offset) };
    offset = end;
    return tensor;
  });
}

function skipElements(bytes: Uint8Array, from: number, count: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = from;
  for (let element = 0; element < count; element++) offset += 4 + view.getUint32(offset, true);
  return offset;
}
