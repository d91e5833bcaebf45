import type { Tensor } from "../../shared/protocol/tensor.ts";

/** Relative to the larger value, or absolute below 1: what a change of batch size may move in sound arithmetic. */
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
      return every(4, a, (at) => close(left.getFloat32(at, true), right.getFloat32(at, true), TOLERANCE.FP32));
    case "FP64":
      return every(8, a, (at) => close(left.getFloat64(at, true), right.getFloat64(at, true), TOLERANCE.FP64));
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

function close(a: number, b: number, tolerance: number): boolean {
  if (Object.is(a, b)) return true;
  return Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b));
}
