/**
 * The few fields of ONNX's protobuf schema (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) that small test
 * models need, written without Python.
 */
export const FLOAT = 1;
export const INT64 = 7;
export const BOOL = 9;
export const DOUBLE = 11;
const OPSET = 18;
const IR_VERSION = 8;

/** A dimension's size, or its name where it varies. */
export type Dimension = number | string;

export interface Graph {
  readonly nodes: readonly Uint8Array[];
  readonly initializers: readonly Uint8Array[];
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** @returns the bytes of model.onnx */
export function model(graph: Graph): Uint8Array {
  return concat([
    number(1, IR_VERSION),
    field(2, text("warmgate-tests")),
    field(7, graphBytes(graph)),
    field(8, concat([field(1, text("")), number(2, OPSET)])),
  ]);
}

function graphBytes({ nodes, initializers, inputs, outputs }: Graph): Uint8Array {
  return concat([
    ...nodes.map((bytes) => field(1, bytes)),
    field(2, text("test")),
    ...initializers.map((bytes) => field(5, bytes)),
    ...inputs.map((bytes) => field(11, bytes)),
    ...outputs.map((bytes) => field(12, bytes)),
  ]);
}

/** @param attributes as `integerAttribute` and `integersAttribute` write them */
export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Uint8Array[] = [],
): Uint8Array {
  return concat([
    ...inputs.map((name) => field(1, text(name))),
    ...outputs.map((name) => field(2, text(name))),
    field(4, text(operator)),
    ...attributes.map((attribute) => field(5, attribute)),
  ]);
}

export function integerAttribute(name: string, value: number): Uint8Array {
  return concat([field(1, text(name)), number(3, value), number(20, 2)]);
}

export function integersAttribute(name: string, values: readonly number[]): Uint8Array {
  return concat([field(1, text(name)), ...values.map((value) => number(8, value)), number(20, 7)]);
}

/** A graph within a node: the body of a loop. */
export function graphAttribute(name: string, graph: Graph): Uint8Array {
  return concat([field(1, text(name)), field(6, graphBytes(graph)), number(20, 5)]);
}

/** A constant FP32 tensor whose values are in another file. */
export function externalFloatTensor(name: string, dims: readonly number[], location: string): Uint8Array {
  const entry = concat([field(1, text("location")), field(2, text(location))]);
  return concat([
    ...dims.map((size) => number(1, size)),
    number(2, FLOAT),
    field(8, text(name)),
    field(13, entry),
    number(14, 1),
  ]);
}

/** A constant FP32 tensor. */
export function floatTensor(name: string, dims: readonly number[], values: Float32Array): Uint8Array {
  return constant(name, FLOAT, dims, new Uint8Array(values.buffer));
}

/** A constant INT64 tensor of one dimension. */
export function integerTensor(name: string, values: readonly number[]): Uint8Array {
  return constant(name, INT64, [values.length], new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
}

function constant(name: string, type: number, dims: readonly number[], bytes: Uint8Array): Uint8Array {
  return concat([...dims.map((size) => number(1, size)), number(2, type), field(8, text(name)), field(9, bytes)]);
}

/** An input or output of the graph. */
export function valueInfo(name: string, type: number, dims: readonly Dimension[]): Uint8Array {
  const shape = dims.map((size) => field(1, typeof size === "number" ? number(1, size) : field(2, text(size))));
  const tensorType = concat([number(1, type), field(2, concat(shape))]);
  return concat([field(1, text(name)), field(2, field(1, tensorType))]);
}

/** Weights that keep values at their scale from layer to layer; always the same (a linear congruential generator). */
export function weights(count: number, fanIn: number): Float32Array {
  const values = new Float32Array(count);
  const scale = Math.sqrt(3 / fanIn);
  let state = 12345;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[index] = (state / 2 ** 31 - 1) * scale;
  }
  return values;
}

/** A length-delimited field. */
function field(id: number, content: Uint8Array): Uint8Array {
  return concat([varint((id << 3) | 2), varint(content.length), content]);
}

/** A whole-number field. */
function number(id: number, value: number): Uint8Array {
  return concat([varint(id << 3), varint(value)]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
