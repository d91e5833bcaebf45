/**
 * Which values a model's owner lets callers send. ONNX Runtime's kernels do not hold every index and length against their
 * tables: on a GPU one that is far out reads memory that is not there, which costs all models of the process their context.
 */
import { aligned } from "./byte-order.ts";
import type { Datatype } from "./datatype.ts";
import { quoted } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { fp16Value } from "./short-floats.ts";
import type { Tensor } from "./tensor.ts";

/** Both ends are included; a missing one is open. NaN is never inside. */
export interface ValueRange {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** @throws WarmgateError `invalid_data` naming the first element that is outside */
export function checkValues(range: ValueRange, tensor: Tensor): void {
  const at = firstOutside(range, tensor);
  if (at === undefined) return;
  const taken = `the model takes ${rangeText(range)}`;
  throw new WarmgateError(
    "invalid_data",
    `input ${quoted(tensor.name)} has ${elementText(tensor, at)} at element ${at}; ${taken}`,
  );
}

/** "0 to 3", "at least 0" or "at most 3". */
export function rangeText({ min, max }: ValueRange): string {
  if (max === undefined) return `at least ${min}`;
  return min === undefined ? `at most ${max}` : `${min} to ${max}`;
}

const VIEWS = {
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;
type Ranged = keyof typeof VIEWS;

/** Whether its elements are numbers that a model here can be sent. There are none of BF16. */
export function canHaveRange(datatype: Datatype): datatype is Ranged {
  return Object.hasOwn(VIEWS, datatype);
}

/** Index of the first element outside; undefined where there is none, and for datatypes that {@link canHaveRange} denies. */
export function firstOutside({ min, max }: ValueRange, { datatype, bytes }: Tensor): number | undefined {
  const least = min ?? Number.NEGATIVE_INFINITY;
  const most = max ?? Number.POSITIVE_INFINITY;
  if (!canHaveRange(datatype)) return undefined;
  if (datatype === "FP16") return outsideHalves(viewOf(Uint16Array, bytes), least, most);
  if (datatype !== "INT64" && datatype !== "UINT64")
    return outside(viewOf<Numbers>(VIEWS[datatype], bytes), least, most);
  const words = viewOf(Uint32Array, bytes);
  return outsideWide(words, datatype === "INT64" ? viewOf(Int32Array, bytes) : words, least, most);
}

type Numbers = InstanceType<(typeof VIEWS)[Exclude<Ranged, "INT64" | "UINT64">]>;

function outside(values: Numbers, least: number, most: number): number | undefined {
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    // Not "smaller or greater": NaN is neither.
    if (!(value >= least && value <= most)) return at;
  }
  return undefined;
}

/**
 * Integers of 64 bits in two words each, the lower one first: a BigInt would cost an allocation an element. A sum beyond
 * 2^53 is rounded, but never to the other side of a bound, which is itself within 2^53.
 */
function outsideWide(
  lower: Uint32Array,
  upper: Int32Array | Uint32Array,
  least: number,
  most: number,
): number | undefined {
  for (let at = 0; at < lower.length; at += 2) {
    const value = (upper[at + 1] ?? 0) * 2 ** 32 + (lower[at] ?? 0);
    if (!(value >= least && value <= most)) return at / 2;
  }
  return undefined;
}

function outsideHalves(halves: Uint16Array, least: number, most: number): number | undefined {
  for (let at = 0; at < halves.length; at++) {
    const value = fp16Value(halves[at] ?? 0);
    if (!(value >= least && value <= most)) return at;
  }
  return undefined;
}

interface ViewConstructor<View> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): View;
}

function viewOf<View>(View: ViewConstructor<View>, bytes: Uint8Array): View {
  const { buffer, byteOffset, byteLength } = aligned(bytes, View.BYTES_PER_ELEMENT);
  return new View(buffer, byteOffset, byteLength / View.BYTES_PER_ELEMENT);
}

function elementText({ datatype, bytes }: Tensor, at: number): string {
  if (!canHaveRange(datatype)) return "a value";
  const element = viewOf<Numbers | BigInt64Array | BigUint64Array>(VIEWS[datatype], bytes)[at] ?? 0;
  return String(datatype === "FP16" ? fp16Value(Number(element)) : element);
}
