/**
 * Writes small ONNX files without Python: fully connected networks of any size, with fixed pseudo-random weights.
 * Only the few fields of the ONNX protobuf schema (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) that such a
 * network needs.
 */

const FLOAT = 1;
const OPSET = 17;
const IR_VERSION = 8;

/**
 * A multi-layer perceptron: `input` FP32 [batch, sizes[0]] -> Gemm, Relu, Gemm, ... -> `output` FP32 [batch, last size].
 *
 * @param sizes width of each layer, at least two
 * @returns the bytes of model.onnx
 */
export function perceptron(sizes: readonly number[]): Uint8Array {
  const nodes: Uint8Array[] = [];
  const initializers: Uint8Array[] = [];
  let flowing = "input";
  for (let layer = 0; layer + 1 < sizes.length; layer++) {
    const rows = sizes[layer] ?? 0;
    const columns = sizes[layer + 1] ?? 0;
    const isLast = layer + 2 === sizes.length;
    const sum = isLast ? "output" : `sum${layer}`;
    initializers.push(floatTensor(`weight${layer}`, [rows, columns], weights(rows * columns, rows)));
    initializers.push(floatTensor(`bias${layer}`, [columns], new Float32Array(columns)));
    nodes.push(node("Gemm", [flowing, `weight${layer}`, `bias${layer}`], [sum]));
    if (isLast) break;
    flowing = `hidden${layer}`;
    nodes.push(node("Relu", [sum], [flowing]));
  }
  const graph = concat([
    ...nodes.map((bytes) => field(1, bytes)),
    field(2, text("perceptron")),
    ...initializers.map((bytes) => field(5, bytes)),
    field(11, valueInfo("input", sizes[0] ?? 0)),
    field(12, valueInfo("output", sizes.at(-1) ?? 0)),
  ]);
  return concat([
    number(1, IR_VERSION),
    field(2, text("warmgate-tests")),
    field(7, graph),
    field(8, concat([field(1, text("")), number(2, OPSET)])),
  ]);
}

/** Weights that keep values at their scale from layer to layer; always the same (a linear congruential generator). */
function weights(count: number, fanIn: number): Float32Array {
  const values = new Float32Array(count);
  const scale = Math.sqrt(3 / fanIn);
  let state = 12345;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[index] = (state / 2 ** 31 - 1) * scale;
  }
  return values;
}

function node(operator: string, inputs: readonly string[], outputs: readonly string[]): Uint8Array {
  return concat([
    ...inputs.map((name) => field(1, text(name))),
    ...outputs.map((name) => field(2, text(name))),
    field(4, text(operator)),
  ]);
}

function floatTensor(name: string, dims: readonly number[], values: Float32Array): Uint8Array {
  return concat([
    ...dims.map((size) => number(1, size)),
    number(2, FLOAT),
    field(8, text(name)),
    field(9, new Uint8Array(values.buffer)),
  ]);
}

function valueInfo(name: string, width: number): Uint8Array {
  const shape = concat([field(1, field(2, text("batch"))), field(1, number(1, width))]);
  const tensorType = concat([number(1, FLOAT), field(2, shape)]);
  return concat([field(1, text(name)), field(2, field(1, tensorType))]);
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
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
