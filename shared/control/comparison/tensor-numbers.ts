/** The elements of binary tensor data as numbers, without a copy where the datatype and the alignment allow. */
import { aligned } from "../../protocol/byte-order.ts";
import type { Datatype } from "../../protocol/datatype.ts";
import { fp16Value } from "../../protocol/short-floats.ts";

/**
 * Two kinds of array only, whatever the datatype: a loop that meets more kinds is compiled for none of them and runs several
 * times slower.
 */
export type Numbers = Float32Array | Float64Array;

/** 64-bit integers as their 32-bit halves: exact, and no BigInt is made for each. */
export interface Halves {
  /** Signed for INT64. Element i is at 2i + 1. */
  readonly high: Int32Array | Uint32Array;
  /** Element i is at 2i. */
  readonly low: Uint32Array;
}

type LongDatatype = "INT64" | "UINT64";
export type NumberDatatype = Exclude<Datatype, LongDatatype | "BYTES">;

/** The first `count` elements. A BOOL is 0 or 1. */
export function numbersOf(datatype: NumberDatatype, bytes: Uint8Array, count: number): Numbers {
  switch (datatype) {
    case "FP32":
      return new Float32Array(...place(bytes, 4, count));
    case "FP64":
      return new Float64Array(...place(bytes, 8, count));
    case "FP16":
      return decodeFp16(new Uint16Array(...place(bytes, 2, count)));
    case "BF16":
      return decodeBf16(new Uint16Array(...place(bytes, 2, count)));
    case "BOOL":
    case "UINT8":
      return new Float64Array(new Uint8Array(...place(bytes, 1, count)));
    case "UINT16":
      return new Float64Array(new Uint16Array(...place(bytes, 2, count)));
    case "UINT32":
      return new Float64Array(new Uint32Array(...place(bytes, 4, count)));
    case "INT8":
      return new Float64Array(new Int8Array(...place(bytes, 1, count)));
    case "INT16":
      return new Float64Array(new Int16Array(...place(bytes, 2, count)));
    case "INT32":
      return new Float64Array(new Int32Array(...place(bytes, 4, count)));
  }
}

/** The first `count` elements. */
export function halvesOf(datatype: LongDatatype, bytes: Uint8Array, count: number): Halves {
  const words = place(bytes, 4, 2 * count);
  const low = new Uint32Array(...words);
  return { low, high: datatype === "INT64" ? new Int32Array(...words) : low };
}

function place(bytes: Uint8Array, width: number, count: number): [ArrayBufferLike, number, number] {
  const { buffer, byteOffset } = aligned(bytes.subarray(0, width * count), width);
  return [buffer, byteOffset, count];
}

function decodeFp16(halves: Uint16Array): Float32Array {
  const decoded = new Float32Array(halves.length);
  for (let at = 0; at < halves.length; at++) decoded[at] = fp16Value(halves[at] ?? 0);
  return decoded;
}

/** BF16 is the upper half of an FP32. */
function decodeBf16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let at = 0; at < halves.length; at++) bits[at] = (halves[at] ?? 0) << 16;
  return new Float32Array(bits.buffer);
}
