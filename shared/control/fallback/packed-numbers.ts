/** Numbers -> binary tensor data. What they are must fit has been seen to before (`number-range.ts`). */
import type { Datatype } from "../../protocol/datatype.ts";

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
      return Uint16Array.from(numbers, (value) => shortFloat(value, 5, 10));
    case "BF16":
      return Uint16Array.from(numbers, (value) => shortFloat(value, 8, 7));
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

/** The bits of a finite number as IEEE 754 has them, with fewer: a sign, the exponent, the fraction. */
function shortFloat(value: number, exponentBits: number, fractionBits: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 1 << (exponentBits + fractionBits) : 0;
  const bias = 2 ** (exponentBits - 1) - 1;
  const size = Math.abs(value);
  // Below the smallest normal number the step stays the same.
  const exponent = Math.max(1 - bias, exponentOf(size));
  const fraction = roundHalfToEven(size / 2 ** (exponent - fractionBits));
  // The leading 1 of a normal number, and what rounding carries, add to the exponent.
  return sign + (exponent + bias - 1) * 2 ** fractionBits + fraction;
}

const float = new Float64Array(1);
const bits = new Uint32Array(float.buffer);

/** The largest whole n with 2^n <= size; of 0 and subnormal numbers, which are smaller than any that is asked about, -1023. */
function exponentOf(size: number): number {
  float[0] = size;
  return (((bits[1] ?? 0) >>> 20) & 0x7ff) - 1_023;
}

/** From 2^52 on there are no fractions, so the addition itself rounds. */
function roundHalfToEven(size: number): number {
  return size + 2 ** 52 - 2 ** 52;
}
