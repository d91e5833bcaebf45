/**
 * Floating-point numbers of 16 bits as their bits (IEEE 754 binary16: 1 of sign, 5 of exponent with a bias of 15, 10 of fraction; BF16: the
 * upper half of an FP32). Node 22 has no Float16Array.
 */

/** What one unit of an FP16's fraction counts, by the exponent. Exponent 0 is subnormal, 31 infinite or NaN. */
const FRACTION_UNITS = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (Math.max(1, exponent) - 25));

export function fp16Value(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const size = (exponent === 0 ? fraction : fraction + 0x400) * (FRACTION_UNITS[exponent] ?? Number.POSITIVE_INFINITY);
  if (exponent === 31 && fraction !== 0) return Number.NaN;
  return bits & 0x8000 ? -size : size;
}

/** The nearest FP16, of two equally near the one whose last bit is 0; from 65520 on it is Infinity. */
export function fp16Bits(value: number): number {
  return shortFloat(value, 5, 10);
}

/** The nearest BF16, in one rounding, as {@link fp16Bits}. */
export function bf16Bits(value: number): number {
  return shortFloat(value, 8, 7);
}

function shortFloat(value: number, exponentBits: number, fractionBits: number): number {
  const infinity = (2 ** exponentBits - 1) * 2 ** fractionBits;
  if (Number.isNaN(value)) return infinity + 2 ** (fractionBits - 1);
  const sign = value < 0 || Object.is(value, -0) ? 1 << (exponentBits + fractionBits) : 0;
  const bias = 2 ** (exponentBits - 1) - 1;
  const size = Math.abs(value);
  // Below the smallest normal number the step stays the same.
  const exponent = Math.max(1 - bias, exponentOf(size));
  const fraction = roundHalfToEven(size / 2 ** (exponent - fractionBits));
  // The leading 1 of a normal number, and what rounding carries, add to the exponent.
  return sign + Math.min(infinity, (exponent + bias - 1) * 2 ** fractionBits + fraction);
}

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/** The largest whole n with 2^n <= size; of 0 and subnormal numbers, which are smaller than any that is asked about, -1023. */
function exponentOf(size: number): number {
  float[0] = size;
  return (((words[1] ?? 0) >>> 20) & 0x7ff) - 1_023;
}

/** From 2^52 on there are no fractions, so the addition itself rounds. */
function roundHalfToEven(size: number): number {
  return size + 2 ** 52 - 2 ** 52;
}
