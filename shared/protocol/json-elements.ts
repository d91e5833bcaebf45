/**
 * Elements of JSON tensor data -> binary tensor data, typed strictly: what does not fit the datatype exactly is refused
 * with the index of the element (counted flat, row-major), never rounded, wrapped or coerced. The one exception is the
 * protocol's own: a decimal becomes the nearest FP32 or FP64, as long as that is finite.
 */

import type { Datatype } from "./datatype.ts";
import { wrongElement } from "./element-error.ts";
import { isWellFormed } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { type ExactRows, packInt64 } from "./json-int64.ts";
import type { Row } from "./json-rows.ts";

/** From here on rounding to FP32 gives Infinity: the largest FP32 and half a step. */
const FP32_OVERFLOW = 2 ** 128 - 2 ** 103;

type IntegerDatatype = "UINT8" | "UINT16" | "UINT32" | "INT8" | "INT16" | "INT32";
type IntegerArray = Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array;

const INTEGERS: Readonly<
  Record<IntegerDatatype, { readonly min: number; readonly max: number; make(count: number): IntegerArray }>
> = {
  UINT8: { min: 0, max: 2 ** 8 - 1, make: (count) => new Uint8Array(count) },
  UINT16: { min: 0, max: 2 ** 16 - 1, make: (count) => new Uint16Array(count) },
  UINT32: { min: 0, max: 2 ** 32 - 1, make: (count) => new Uint32Array(count) },
  INT8: { min: -(2 ** 7), max: 2 ** 7 - 1, make: (count) => new Int8Array(count) },
  INT16: { min: -(2 ** 15), max: 2 ** 15 - 1, make: (count) => new Int16Array(count) },
  INT32: { min: -(2 ** 31), max: 2 ** 31 - 1, make: (count) => new Int32Array(count) },
};

/**
 * @param rows hold exactly `count` elements
 * @param exactRows the same rows with long integers as strings; asked for only if a 64-bit datatype needs them
 * @throws WarmgateError `invalid_data`, `non_finite`, or `binary_required` for FP16 and BF16
 */
export function packElements(
  datatype: Datatype,
  rows: readonly Row[],
  count: number,
  exactRows: ExactRows,
  what: string,
): Uint8Array {
  switch (datatype) {
    case "FP32":
      return packFp32(rows, count, what);
    case "FP64":
      return packFp64(rows, count, what);
    case "INT64":
    case "UINT64":
      return packInt64(datatype, rows, count, exactRows, what);
    case "BOOL":
      return packBool(rows, count, what);
    case "BYTES":
      return packStrings(rows, count, what);
    case "FP16":
    case "BF16":
      throw new WarmgateError("binary_required", `${what} is ${datatype}, which has no JSON form: send it as binary`);
    default:
      return packInteger(datatype, rows, count, what);
  }
}

function packFp32(rows: readonly Row[], count: number, what: string): Uint8Array {
  const out = new Float32Array(count);
  let at = 0;
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (typeof value !== "number" || !(Math.abs(value) < FP32_OVERFLOW)) throw wrongElement(value, "FP32", at, what);
      out[at++] = value;
    }
  }
  return new Uint8Array(out.buffer);
}

function packFp64(rows: readonly Row[], count: number, what: string): Uint8Array {
  const out = new Float64Array(count);
  let at = 0;
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (typeof value !== "number" || !Number.isFinite(value)) throw wrongElement(value, "FP64", at, what);
      out[at++] = value;
    }
  }
  return new Uint8Array(out.buffer);
}

function packInteger(datatype: IntegerDatatype, rows: readonly Row[], count: number, what: string): Uint8Array {
  const { min, max, make } = INTEGERS[datatype];
  const out = make(count);
  let at = 0;
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (typeof value !== "number" || !(value >= min && value <= max) || !Number.isInteger(value)) {
        throw wrongElement(value, datatype, at, what);
      }
      out[at++] = value;
    }
  }
  return new Uint8Array(out.buffer);
}

function packBool(rows: readonly Row[], count: number, what: string): Uint8Array {
  const out = new Uint8Array(count);
  let at = 0;
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (typeof value !== "boolean") throw wrongElement(value, "BOOL", at, what);
      out[at++] = value ? 1 : 0;
    }
  }
  return out;
}

const UTF8 = new TextEncoder();
const LENGTH_BYTES = 4;

/** Strings straight into binary BYTES form; UTF-8 takes at most 3 bytes a UTF-16 unit, so one buffer is enough. */
function packStrings(rows: readonly Row[], count: number, what: string): Uint8Array {
  let units = 0;
  let index = 0;
  for (const row of rows) {
    for (const value of row) {
      if (typeof value !== "string" || !isWellFormed(value)) throw wrongElement(value, "BYTES", index, what);
      units += value.length;
      index += 1;
    }
  }
  const buffer = new Uint8Array(count * LENGTH_BYTES + units * 3);
  const view = new DataView(buffer.buffer);
  let at = 0;
  for (const row of rows) {
    for (const value of row) {
      if (typeof value !== "string") continue;
      const { written } = UTF8.encodeInto(value, buffer.subarray(at + LENGTH_BYTES));
      view.setUint32(at, written, true);
      at += LENGTH_BYTES + written;
    }
  }
  return buffer.slice(0, at);
}
