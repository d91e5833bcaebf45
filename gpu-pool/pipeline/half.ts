/**
 * FP16 as its 16 bits (IEEE 754 binary16): 1 of sign, 5 of exponent with a bias of 15, 10 of fraction. Node 22 has no
 * Float16Array.
 */

const view = new DataView(new ArrayBuffer(8));

export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The nearest half, of two equally near the one whose last bit is 0; from 65520 on it is Infinity. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | nearestEven(size * 2 ** 24);
  view.setFloat64(0, size);
  const exponent = (view.getUint16(0) >> 4) - 1023;
  // A fraction that is rounded up to 1024 carries into the exponent, which is right.
  return sign | (((exponent + 15) << 10) + nearestEven((size * 2 ** -exponent - 1) * 1024));
}

function nearestEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
