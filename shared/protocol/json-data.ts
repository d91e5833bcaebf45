/** Binary tensor data -> JSON tensor data, flat and row-major, for callers that did not ask for binary outputs. */

import { aligned } from "./byte-order.ts";
import { decodeBytesElements } from "./bytes-elements.ts";
import { type Datatype, ELEMENT_BYTES } from "./datatype.ts";
import { quoted } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import type { Tensor } from "./tensor.ts";

/**
 * The `data` member of a tensor as JSON text. Nothing is lost: 64-bit integers keep every digit, -0 its sign, and what
 * JSON cannot carry is refused.
 *
 * @throws WarmgateError `non_finite_output` for NaN and Infinity; `binary_required` for FP16, BF16 and for BYTES that
 * are not UTF-8
 */
export function dataJson(tensor: Tensor): string {
  const { datatype } = tensor;
  switch (datatype) {
    case "FP32":
      return floatsJson(new Float32Array(...span(tensor, datatype)), tensor);
    case "FP64":
      return floatsJson(new Float64Array(...span(tensor, datatype)), tensor);
    case "BOOL":
      return `[${Array.from(tensor.bytes, (byte) => byte !== 0).join(",")}]`;
    case "UINT8":
      return listJson(tensor.bytes);
    case "UINT16":
      return listJson(new Uint16Array(...span(tensor, datatype)));
    case "UINT32":
      return listJson(new Uint32Array(...span(tensor, datatype)));
    case "UINT64":
      return listJson(new BigUint64Array(...span(tensor, datatype)));
    case "INT8":
      return listJson(new Int8Array(...span(tensor, datatype)));
    case "INT16":
      return listJson(new Int16Array(...span(tensor, datatype)));
    case "INT32":
      return listJson(new Int32Array(...span(tensor, datatype)));
    case "INT64":
      return listJson(new BigInt64Array(...span(tensor, datatype)));
    case "BYTES":
      return stringsJson(tensor);
    case "FP16":
    case "BF16":
      throw new WarmgateError(
        "binary_required",
        `output ${quoted(tensor.name)} is ${datatype}, which has no JSON form: ask for it with binary_data`,
      );
  }
}

function span(tensor: Tensor, datatype: Exclude<Datatype, "BYTES">): [ArrayBufferLike, number, number] {
  const width = ELEMENT_BYTES[datatype];
  const bytes = aligned(tensor.bytes, width);
  return [bytes.buffer, bytes.byteOffset, bytes.byteLength / width];
}

function listJson(list: { join(separator: string): string }): string {
  return `[${list.join(",")}]`;
}

function floatsJson(list: Float32Array | Float64Array, tensor: Tensor): string {
  let negativeZero = false;
  for (let at = 0; at < list.length; at++) {
    const value = list[at] ?? 0;
    if (!Number.isFinite(value)) {
      throw new WarmgateError(
        "non_finite_output",
        `element ${at} of output ${quoted(tensor.name)} is ${value}, which JSON cannot carry: request binary output`,
      );
    }
    if (value === 0 && Object.is(value, -0)) negativeZero = true;
  }
  // join() writes -0 as "0".
  return negativeZero
    ? `[${Array.from(list, (value) => (Object.is(value, -0) ? "-0" : value)).join(",")}]`
    : listJson(list);
}

// A byte order mark at the start of an element is data.
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function stringsJson(tensor: Tensor): string {
  const what = `output ${quoted(tensor.name)}`;
  const count = tensor.shape.reduce((product, dimension) => product * dimension, 1);
  const strings = decodeBytesElements(tensor.bytes, count, what).map((element, at) => {
    try {
      return UTF8.decode(element);
    } catch {
      throw new WarmgateError(
        "binary_required",
        `element ${at} of ${what} is not UTF-8, which JSON cannot carry: ask for it with binary_data`,
      );
    }
  });
  return JSON.stringify(strings);
}
