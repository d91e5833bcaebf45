/**
 * Padding: requests whose inputs vary behind the batch (a sequence length) are lengthened to the next of a few declared
 * sizes, run, and their outputs cut back. So they batch across lengths, and no request meets a shape that is cold.
 *
 * Only for models whose `model.json` declares it, and only once {@link provePadding} could not refute that the pad
 * leaves the answers alone. The memory that a request grows by is at most {@link MAX_ADDED_BYTES}.
 *
 *     const { size, bucket } = bucketOf(padding, request.inputs);       // 20 -> 32
 *     const outputs = await run(padInputs(padding, request.inputs, bucket));
 *     return sliceOutputs(padding, outputs, size, bucket);
 */
import { encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { type Datatype, ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import { isWellFormed, quoted } from "../../shared/protocol/envelope.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { shapeText } from "../../shared/protocol/shape.ts";
import type { ModelSignature, Tensor, TensorSpec } from "../../shared/protocol/tensor.ts";
import { isInside, rangeText, type ValueRange } from "../../shared/protocol/value-range.ts";
import { exampleInput } from "./example-input.ts";
import type { RunResult } from "./model-instance.ts";
import { sameWithin } from "./tensor-compare.ts";

/** A number for numeric datatypes, true or false for BOOL, a string for BYTES. */
export type PadValue = number | boolean | string;

/** What a model declares under `padding` in its `model.json`. */
export interface Padding {
  /** The padded axis of the named inputs and the cut axis of the named outputs, from 1; 0 is the batch. */
  readonly axis: number;
  /** Sizes that the axis is padded to: positive, distinct, ascending, at least one. */
  readonly sizes: readonly number[];
  /** What each padded input is padded with. */
  readonly inputs: Readonly<Record<string, PadValue>>;
  /** Outputs that grow with the padded axis and are cut back; all others are left as they are. */
  readonly outputs: readonly string[];
}

/** How a request fits the buckets. */
export interface Fit {
  /** The request's own size along the padded axis. */
  readonly size: number;
  /** The size that it is run in. */
  readonly bucket: number;
}

/** Most bytes that padding may add to one request: a short but wide one must not become a buffer of gigabytes. */
export const MAX_ADDED_BYTES = 2 ** 28;

/**
 * Holds a declaration against the model's signature. An output of rank 0 may be one whose rank the file leaves open, and
 * passes; {@link sliceOutputs} sees what it really is.
 *
 * @throws WarmgateError `model_rejected` naming everything that is wrong
 */
export function checkPadding(padding: Padding, signature: ModelSignature): void {
  const { axis } = padding;
  const faults: string[] = [];
  const checkAxis = (what: string, { shape }: TensorSpec) => {
    if (shape.length <= axis) faults.push(`${what} has no axis ${axis}, its shape is ${shapeText(shape)}`);
    else if (shape[axis] !== -1) faults.push(`axis ${axis} of ${what} is fixed at ${shape[axis]}`);
  };
  for (const [name, value] of Object.entries(padding.inputs)) {
    const spec = signature.inputs.find((input) => input.name === name);
    if (!spec) {
      faults.push(`there is no input ${quoted(name)}`);
      continue;
    }
    checkAxis(`input ${quoted(name)}`, spec);
    if (!exactElement(spec.datatype, value)) {
      faults.push(`input ${quoted(name)} is ${spec.datatype}, which cannot hold exactly ${JSON.stringify(value)}`);
    } else if (spec.range && typeof value === "number" && !isInside(spec.range, value)) {
      faults.push(`input ${quoted(name)} takes ${rangeText(spec.range)}, and so cannot be padded with ${value}`);
    }
  }
  for (const name of padding.outputs) {
    const spec = signature.outputs.find((output) => output.name === name);
    if (!spec) faults.push(`there is no output ${quoted(name)}`);
    else if (spec.shape.length > 0) checkAxis(`output ${quoted(name)}`, spec);
  }
  if (faults.length > 0) throw rejected(`padding does not fit the model: ${faults.join("; ")}`);
}

/**
 * The smallest bucket that a request fits in.
 *
 * @param inputs have passed `checkInputs`
 * @throws WarmgateError `input_mismatch` when the padded inputs differ in size, are empty, or are longer than the
 * largest bucket; `invalid_shape` when padding would add more than {@link MAX_ADDED_BYTES}
 */
export function bucketOf(padding: Padding, inputs: readonly Tensor[]): Fit {
  const { axis, sizes } = padding;
  const padded = inputs.filter((input) => isPadded(padding, input.name));
  const [first] = padded;
  const size = first?.shape[axis];
  if (!first || size === undefined) throw mismatch(`no input has an axis ${axis} to pad`);
  const other = padded.find((input) => input.shape[axis] !== size);
  if (other) {
    const lengths = `input ${quoted(other.name)} has ${other.shape[axis]}, input ${quoted(first.name)} ${size}`;
    throw mismatch(`along axis ${axis} the inputs must have the same size: ${lengths}`);
  }
  // What an empty sequence is answered is not what a sequence of nothing but pad is.
  if (size === 0) throw mismatch(`axis ${axis} of input ${quoted(first.name)} is empty`);
  const bucket = sizes.find((candidate) => candidate >= size);
  if (bucket === undefined) {
    throw mismatch(`axis ${axis} of input ${quoted(first.name)} is ${size}, the largest size is ${sizes.at(-1)}`);
  }
  checkAdded(padding, padded, size, bucket);
  return { size, bucket };
}

function checkAdded(padding: Padding, inputs: readonly Tensor[], size: number, bucket: number): void {
  let added = 0;
  for (const input of inputs) {
    if (!isPadded(padding, input.name)) continue;
    added += (elements(input.shape) / size) * (bucket - size) * padElement(padding, input).length;
  }
  if (added <= MAX_ADDED_BYTES) return;
  throw new WarmgateError("invalid_shape", `padding from ${size} to ${bucket} adds more than ${MAX_ADDED_BYTES} bytes`);
}

/** The shape in which an input is run; an input that is not padded keeps its own. */
export function paddedShape(padding: Padding, input: Tensor, bucket: number): readonly number[] {
  return isPadded(padding, input.name) ? input.shape.with(padding.axis, bucket) : input.shape;
}

/**
 * Lengthens the padded inputs at the end of the axis; the others are handed on, as are all that have the size already.
 *
 * @param bucket from {@link bucketOf} for these inputs, or any larger size
 */
export function padInputs(padding: Padding, inputs: readonly Tensor[], bucket: number): readonly Tensor[] {
  return inputs.map((input) => {
    const size = input.shape[padding.axis];
    if (size === undefined || size === bucket || !isPadded(padding, input.name)) return input;
    const outer = elements(input.shape.slice(0, padding.axis));
    const inner = elements(input.shape.slice(padding.axis + 1));
    const element = padElement(padding, input);
    const pad = repeated(element, (bucket - size) * inner * element.length);
    const bytes = new Uint8Array(input.bytes.length + outer * pad.length);
    let from = 0;
    for (let row = 0; row < outer; row++) {
      const end = endOf(input, from, size * inner);
      bytes.set(input.bytes.subarray(from, end), from + row * pad.length);
      bytes.set(pad, end + row * pad.length);
      from = end;
    }
    return { ...input, shape: paddedShape(padding, input, bucket), bytes };
  });
}

/**
 * Cuts the declared outputs back to the request's own size; a single row's is a view, without a copy.
 *
 * @param outputs of one request, all or some of the model's
 * @param size the request's own, as {@link bucketOf} gave it
 * @throws WarmgateError `model_failed` for an output whose axis is not the bucket's size
 */
export function sliceOutputs(padding: Padding, outputs: readonly Tensor[], size: number, bucket: number): Tensor[] {
  const { axis } = padding;
  return outputs.map((output) => {
    if (!padding.outputs.includes(output.name)) return output;
    if (output.shape[axis] !== bucket) {
      const what = `output ${quoted(output.name)} has the shape ${shapeText(output.shape)}`;
      throw new WarmgateError("model_failed", `${what}, whose axis ${axis} is not the padded ${bucket}`);
    }
    if (size === bucket) return output;
    const outer = elements(output.shape.slice(0, axis));
    const inner = elements(output.shape.slice(axis + 1));
    const shape = output.shape.with(axis, size);
    if (outer === 1) return { ...output, shape, bytes: output.bytes.subarray(0, endOf(output, 0, size * inner)) };
    const kept = output.datatype === "BYTES" ? output.bytes.length : elements(shape) * ELEMENT_BYTES[output.datatype];
    const bytes = new Uint8Array(kept);
    let from = 0;
    let to = 0;
    for (let row = 0; row < outer; row++) {
      const end = endOf(output, from, size * inner);
      bytes.set(output.bytes.subarray(from, end), to);
      to += end - from;
      from = endOf(output, end, (bucket - size) * inner);
    }
    return { ...output, shape, bytes: bytes.subarray(0, to) };
  });
}

/**
 * Tries to show that padding changes what a model answers: requests are run as they are and padded, and all outputs are
 * compared, the ones that are not cut as well. The first request goes through every larger bucket, the others through
 * their own. It can only refute, so made-up values lie at, above and, for floats, below the pad value: a maximum or a
 * minimum over the padded axis shows on one side only.
 *
 * @param run runs the model once for all outputs and leaves the inputs' bytes where they are
 * @param samples declared requests, of which one must be shorter than a bucket; without any, inputs are made up
 * @param free size of the other dimensions that vary, as warm-up found it; undefined when it found none
 * @throws WarmgateError `model_rejected` as {@link checkPadding} does, when an answer changes, a bucket fails, or no
 * request could be tried
 */
export async function provePadding(
  run: (inputs: readonly Tensor[]) => Promise<RunResult>,
  signature: ModelSignature,
  padding: Padding,
  samples: readonly (readonly Tensor[])[],
  free: number | undefined,
): Promise<void> {
  const answer = async (inputs: readonly Tensor[]): Promise<readonly Tensor[]> =>
    (await run(inputs)).outputs.map((output) => ({ ...output, bytes: new Uint8Array(output.buffer) }));
  checkPadding(padding, signature);
  const proven = new Set<number>();
  let reason = "";
  for (const inputs of samples.length > 0 ? samples : madeUp(signature, padding, free)) {
    let fit: Fit;
    let alone: readonly Tensor[];
    try {
      fit = bucketOf(padding, inputs);
      alone = await answer(inputs);
    } catch (error) {
      reason ||= messageOf(error);
      continue;
    }
    const { size, bucket } = fit;
    for (const larger of padding.sizes.filter((candidate) => candidate > size)) {
      if (larger !== bucket && proven.has(larger)) continue;
      let padded: readonly Tensor[];
      try {
        checkAdded(padding, inputs, size, larger);
        padded = sliceOutputs(padding, await answer(padInputs(padding, inputs, larger)), size, larger);
      } catch (error) {
        throw rejected(`padding from ${size} to ${larger} fails: ${messageOf(error)}`);
      }
      const changed = alone.find((own) => !padded.some((other) => other.name === own.name && sameWithin(own, other)));
      if (changed) {
        throw rejected(`padding changes the answers: output ${quoted(changed.name)}, from ${size} to ${larger}`);
      }
      proven.add(larger);
    }
  }
  if (proven.size > 0) return;
  reason ||= "no request is shorter than a bucket";
  throw rejected(`padding cannot be proven: ${reason}; declare a short request under warmup`);
}

const FLOATS: ReadonlySet<Datatype> = new Set(["FP16", "BF16", "FP32", "FP64"]);

/** Requests of one row in two sizes, each with values as warm-up makes them, above the pad value, and below it. */
function madeUp(signature: ModelSignature, padding: Padding, free: number | undefined): Tensor[][] {
  const { axis, sizes } = padding;
  const half = Math.max(1, (sizes[0] ?? 1) >> 1);
  const shorter = new Set([half, free ?? half].filter((size) => size < (sizes.at(-1) ?? 1)));
  const below = signature.inputs.some(({ name, datatype }) => isPadded(padding, name) && FLOATS.has(datatype));
  return [...shorter].flatMap((size) =>
    (below ? [0, 1, -1] : [0, 1]).map((side) =>
      signature.inputs.map((spec) => {
        if (!isPadded(padding, spec.name)) return exampleInput(spec, 1, free ?? size, 0);
        // Seed 1 begins with a 1: an attention mask of [0] would leave nothing to attend to but pad.
        const example = exampleInput({ ...spec, shape: spec.shape.with(axis, size) }, 1, free ?? size, 1);
        if (side === 0) return example;
        return { ...example, bytes: awayFrom(padding.inputs[spec.name], side, example, spec.range) };
      }),
    ),
  );
}

/**
 * As many bytes as the example has, with values that are not the pad value. Strings stay as they are, and so does an example
 * beside which the range has no such values.
 */
function awayFrom(
  value: PadValue | undefined,
  side: number,
  { datatype, bytes }: Tensor,
  range: ValueRange = {},
): Uint8Array {
  if (typeof value === "boolean") return new Uint8Array(bytes.length).fill(value ? 0 : 1);
  if (typeof value !== "number") return bytes;
  // Values around a huge pad value, such as an attention bias of -10000, would be taken for pad by the model too.
  const base = Math.abs(value) > 8 ? 0 : side > 0 ? Math.ceil(value) : Math.floor(value);
  const values = FLOATS.has(datatype)
    ? [1, 2, 3, 4, 5, 6, 7].map((step) => base + (side * step) / 8)
    : [value > 0 ? value - 1 : value + 1];
  const others = values.flatMap((one) => (isInside(range, one) ? (exactElement(datatype, one) ?? []) : []));
  return others.length > 0 ? repeated(Buffer.concat(others), bytes.length) : bytes;
}

const ARRAYS = {
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  FP32: Float32Array,
  FP64: Float64Array,
};
const utf8 = new TextEncoder();

/** One element in binary form; undefined when the datatype cannot hold the value as it is. */
function exactElement(datatype: Datatype, value: PadValue): Uint8Array | undefined {
  if (datatype === "BOOL") return typeof value === "boolean" ? Uint8Array.of(value ? 1 : 0) : undefined;
  if (datatype === "BYTES") {
    // ONNX Runtime's strings end at a NUL.
    if (typeof value !== "string" || !isWellFormed(value) || value.includes("\0")) return undefined;
    return encodeBytesElements([utf8.encode(value)]);
  }
  if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
  switch (datatype) {
    case "INT64":
    case "UINT64":
      // Beyond 2^53 the digits of model.json are lost before they are seen here.
      if (!Number.isSafeInteger(value) || (datatype === "UINT64" && value < 0)) return undefined;
      return bytesOf(BigInt64Array.of(BigInt(value)));
    case "FP16":
      return exactHalf(value);
    case "BF16": {
      // The upper half of an FP32.
      const bytes = exactElement("FP32", value);
      return bytes?.[0] === 0 && bytes[1] === 0 ? bytes.slice(2) : undefined;
    }
    default: {
      const stored = ARRAYS[datatype].of(value);
      return stored[0] === value ? bytesOf(stored) : undefined;
    }
  }
}

/** An IEEE 754 binary16; 65504 is the largest. */
function exactHalf(value: number): Uint8Array | undefined {
  if (Math.abs(value) > 65504) return undefined;
  // In units of the smallest subnormal every binary16 is a whole number: 11 significant bits, doubled up to 29 times.
  let units = Math.abs(value) * 2 ** 24;
  let exponent = 1;
  for (; units >= 2048; units /= 2) exponent += 1;
  if (!Number.isInteger(units)) return undefined;
  return bytesOf(Uint16Array.of((1 / value < 0 ? 0x8000 : 0) + ((exponent - 1) << 10) + units));
}

function padElement(padding: Padding, { name, datatype }: Tensor): Uint8Array {
  const element = exactElement(datatype, padding.inputs[name] ?? "");
  if (!element) throw new WarmgateError("internal", `the pad value of input ${quoted(name)} was not checked`);
  return element;
}

/** Where a number of elements ends that begins at a byte. Those of BYTES are walked; their lengths were checked before. */
function endOf({ datatype, bytes }: Tensor, from: number, count: number): number {
  if (datatype !== "BYTES") return from + count * ELEMENT_BYTES[datatype];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = from;
  for (let element = 0; element < count; element++) end += 4 + view.getUint32(end, true);
  return end;
}

/** The pattern over and over, up to a length in bytes; doubled each time, so that long pads cost one copy of memory. */
function repeated(pattern: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(pattern.subarray(0, length));
  for (let filled = pattern.length; filled < length; filled *= 2) bytes.copyWithin(filled, 0, filled);
  return bytes;
}

const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const elements = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const isPadded = (padding: Padding, name: string) => Object.hasOwn(padding.inputs, name);
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
const mismatch = (message: string) => new WarmgateError("input_mismatch", message);
const rejected = (message: string) => new WarmgateError("model_rejected", message);
