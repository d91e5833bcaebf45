/** Which numbers a datatype can hold. */
import type { Datatype } from "./datatype.ts";
import { isWellFormed } from "./envelope.ts";

/** What numbers are computed for. */
export type NumericDatatype = Exclude<Datatype, "BOOL" | "BYTES">;

interface NumberRange {
  readonly whole: boolean;
  /** Included. */
  readonly least: number;
  /** Excluded: of a floating-point datatype the largest value and half a step, from where rounding gives Infinity. */
  readonly below: number;
}

const unsigned = (bits: number): NumberRange => ({ whole: true, least: 0, below: 2 ** bits });
const signed = (bits: number): NumberRange => ({ whole: true, least: -(2 ** (bits - 1)), below: 2 ** (bits - 1) });
const floating = (below: number): NumberRange => ({ whole: false, least: -below, below });

const RANGES: Readonly<Record<NumericDatatype, NumberRange>> = {
  UINT8: unsigned(8),
  UINT16: unsigned(16),
  UINT32: unsigned(32),
  UINT64: unsigned(64),
  INT8: signed(8),
  INT16: signed(16),
  INT32: signed(32),
  INT64: signed(64),
  FP16: floating(2 ** 16 - 2 ** 4),
  BF16: floating(2 ** 128 - 2 ** 119),
  FP32: floating(2 ** 128 - 2 ** 103),
  FP64: floating(Number.POSITIVE_INFINITY),
};

/** Whether the datatype holds it: exactly where it holds whole numbers, else as the nearest that it has. */
export function holdsNumber(datatype: NumericDatatype, value: number): boolean {
  const { whole, least, below } = RANGES[datatype];
  if (!whole) return Math.abs(value) < below;
  return Number.isInteger(value) && value >= least && value < below;
}

/** A computed number as the datatype's nearest: whole numbers are rounded, halves up. It may still be out of range. */
export function nearestFor(datatype: NumericDatatype, value: number): number {
  return RANGES[datatype].whole ? Math.round(value) : value;
}

/** Whether a value of JSON can be an element. Integers beyond 2^53 cannot: their last digits are gone. */
export function holdsElement(datatype: Datatype, value: number | boolean | string): boolean {
  if (datatype === "BOOL") return typeof value === "boolean";
  if (datatype === "BYTES") return typeof value === "string" && isWellFormed(value);
  if (typeof value !== "number" || !holdsNumber(datatype, value)) return false;
  return !RANGES[datatype].whole || Number.isSafeInteger(value);
}
