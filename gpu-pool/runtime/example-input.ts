import { encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { type Datatype, ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import type { Tensor, TensorSpec } from "../../shared/protocol/tensor.ts";
import { isInside, type ValueRange } from "../../shared/protocol/value-range.ts";
import { isFloat, isNumeric, numberSink } from "../pipeline/numbers.ts";

const utf8 = new TextEncoder();

/**
 * An input that fits a model's signature, for warming it up: small values that differ from row to row, so that rows
 * which get mixed up show. They are within the declared range, where there is one.
 *
 * @param rows size of the first dimension where it varies
 * @param free size of every other dimension that varies
 * @param seed shifts the values; the same seed gives the same tensor, and row i of seed s is row 0 of seed s + i
 */
export function exampleInput(spec: TensorSpec, rows: number, free: number, seed: number): Tensor {
  const shape = spec.shape.map((size, axis) => (size !== -1 ? size : axis === 0 ? rows : free));
  const count = shape.reduce((product, size) => product * size, 1);
  const perRow = count / (shape[0] || 1);
  const value = (index: number) => (Math.floor(index / perRow) + seed + (index % perRow)) % 7;
  const { name, datatype, range } = spec;
  if (!range || !isNumeric(datatype)) return { name, datatype, shape, bytes: encode(datatype, count, value) };
  const numbers = numberSink(datatype, count);
  for (let index = 0; index < count; index++) numbers.set(index, within(range, isFloat(datatype), value(index)));
  return { name, datatype, shape, bytes: numbers.bytes };
}

/** What is usual, counted from an end of the range where the range does not have it all. */
function within(range: ValueRange, float: boolean, choice: number): number {
  const usual = float ? choice / 8 : choice % 2;
  if (isInside(range, 0) && isInside(range, 1)) return usual;
  const { min, max } = range;
  if (min === undefined) return (max ?? 1) - usual;
  return min + usual * Math.min(1, (max ?? Number.POSITIVE_INFINITY) - min);
}

function encode(datatype: Datatype, count: number, value: (index: number) => number): Uint8Array {
  if (datatype === "BYTES") {
    return encodeBytesElements(Array.from({ length: count }, (_, index) => utf8.encode(String(value(index)))));
  }
  const width = ELEMENT_BYTES[datatype];
  const bytes = new Uint8Array(count * width);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index++) {
    const at = index * width;
    const whole = value(index);
    if (datatype === "FP32") view.setFloat32(at, whole / 8, true);
    else if (datatype === "FP64") view.setFloat64(at, whole / 8, true);
    // 0.5 and 0: the two halves and brain floats that need no conversion.
    else if (datatype === "FP16") view.setUint16(at, whole % 2 ? 0x3800 : 0, true);
    else if (datatype === "BF16") view.setUint16(at, whole % 2 ? 0x3f00 : 0, true);
    // Indices into a table must exist in it; 0 and 1 nearly always do.
    else view.setUint8(at, whole % 2);
  }
  return bytes;
}
