/** Numbers -> binary tensor data. What they are must fit has been seen to before (`number-range.ts`). */
import type { Datatype } from "../../protocol/datatype.ts";
import { bf16Bits, fp16Bits } from "../../protocol/short-floats.ts";

const WORD = 2 ** 32;

/** The datatype's nearest to each, ties to even, in one rounding; whole numbers are given where it holds those. */
export function packNumbers(datatype: Exclude<Datatype, "BYTES">, numbers: Float64Array): Uint8Array {
  return new Uint8Array(packed(datatype, numbers).buffer);
}

function packed(datatype: Exclude<Datatype, "BYTES">, numbers: Float64Array): ArrayBufferView {
  switch (datatype) {
    case "FP64":
      return Float64Array.from(numbers);
    case "FP32":
      return Float32Array.from(numbers);
    case "FP16":
      return Uint16Array.from(numbers, fp16Bits);
    case "BF16":
      return Uint16Array.from(numbers, bf16Bits);
    case "INT64":
    case "UINT64":
      return words(numbers);
    case "INT32":
      return Int32Array.from(numbers);
    case "UINT32":
      return Uint32Array.from(numbers);
    case "INT16":
      return Int16Array.from(numbers);
    case "UINT16":
      return Uint16Array.from(numbers);
    case "INT8":
      return Int8Array.from(numbers);
    case "UINT8":
    case "BOOL":
      return Uint8Array.from(numbers);
  }
}

/** In two's complement, the low half first. */
function words(numbers: Float64Array): Uint32Array {
  const halves = new Uint32Array(numbers.length * 2);
  for (const [at, value] of numbers.entries()) {
    const high = Math.floor(value / WORD);
    halves[2 * at] = value - high * WORD;
    halves[2 * at + 1] = high;
  }
  return halves;
}
