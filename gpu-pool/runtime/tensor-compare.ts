import type { Tensor } from "../../shared/protocol/tensor.ts";

/**
 * What a change of batch size may move in sound arithmetic: relative to the larger value, absolute below 1, and never
 * more than that part of the largest value there is, so that rows of small numbers are not taken for each other.
 */
const TOLERANCE = { FP32: 1e-3, FP64: 1e-6 } as const;
/** FP16 has 11 significant bits: a few steps of the last one. */
const FP16_STEPS = 16;

/** Whether two tensors are the same answer: exactly for whole numbers and strings, within rounding for floats. */
export function sameWithin(a: Tensor, b: Tensor): boolean {
  if (a.datatype !== b.datatype || a.bytes.byteLength !== b.bytes.byteLength) return false;
  if (a.shape.length !== b.shape.length || a.shape.some((size, axis) => size !== b.shape[axis])) return false;
  const left = new DataView(a.bytes.buffer, a.bytes.byteOffset, a.bytes.byteLength);
  const right = new DataView(b.bytes.buffer, b.bytes.byteOffset, b.bytes.byteLength);
  switch (a.datatype) {
    case "FP32":
      return close(
        valuesOf(4, a, (at) => left.getFloat32(at, true)),
        valuesOf(4, b, (at) => right.getFloat32(at, true)),
        TOLERANCE.FP32,
      );
    case "FP64":
      return close(
        valuesOf(8, a, (at) => left.getFloat64(at, true)),
        valuesOf(8, b, (at) => right.getFloat64(at, true)),
        TOLERANCE.FP64,
      );
    case "FP16":
      return every(2, a, (at) => Math.abs(left.getUint16(at, true) - right.getUint16(at, true)) <= FP16_STEPS);
    default:
      return a.bytes.every((byte, at) => byte === b.bytes[at]);
  }
}

function every(width: number, tensor: Tensor, holds: (at: number) => boolean): boolean {
  for (let at = 0; at < tensor.bytes.byteLength; at += width) if (!holds(at)) return false;
  return true;
}

function valuesOf(width: number, tensor: Tensor, read: (at: number) => number): number[] {
  return Array.from({ length: tensor.bytes.byteLength / width }, (_, index) => read(index * width));
}

function close(left: readonly number[], right: readonly number[], tolerance: number): boolean {
  let largest = 0;
  for (const value of [...left, ...right]) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return left.every((a, index) => {
    const b = right[index] ?? Number.NaN;
    if (Object.is(a, b)) return true;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
    return Math.abs(a - b) <= tolerance * Math.min(largest, Math.max(1, Math.abs(a), Math.abs(b)));
  });
}
