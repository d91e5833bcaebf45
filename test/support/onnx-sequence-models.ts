/**
 * Small ONNX models with a sequence axis, to try padding on: some leave a row's answer alone when it is padded, some do
 * not. Written field by field as in onnx-builder.ts (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
 */

const FLOAT = 1;
const INT64 = 7;
const OPSET = 18;
const IR_VERSION = 8;

/** Width of what one token becomes. */
const HIDDEN = 4;
const VOCABULARY = 16;

/**
 * `input_ids`, `attention_mask` INT64 [batch, sequence] -> `pooled` FP32 [batch, 4], the mean over the tokens that the
 * mask names, and `last_hidden_state` FP32 [batch, sequence, 4], each token less that mean. Padding is safe.
 */
export function maskedMean(): Uint8Array {
  return tokenModel([
    node("Cast", ["attention_mask"], ["mask"], [field(1, text("to")), number(3, FLOAT), number(20, 2)]),
    node("Unsqueeze", ["mask", "axis2"], ["weights"]),
    node("Mul", ["embedded", "weights"], ["kept"]),
    node("ReduceSum", ["kept", "axis1"], ["sum"]),
    node("ReduceSum", ["weights", "axis1"], ["count"]),
    node("Div", ["sum", "count"], ["centre"]),
  ]);
}

/**
 * The same with a softmax over tokens, in which those that the mask leaves out are biased by -10000 as in BERT. Padding is
 * safe as long as the mask leaves any token in; a row without one attends to its pad.
 */
export function maskedAttention(): Uint8Array {
  return tokenModel([
    node("Cast", ["attention_mask"], ["mask"], [field(1, text("to")), number(3, FLOAT), number(20, 2)]),
    node("Unsqueeze", ["mask", "axis2"], ["kept"]),
    node("Mul", ["kept", "bias"], ["scores"]),
    node("Softmax", ["scores"], ["weights"], [field(1, text("axis")), number(3, 1), number(20, 2)]),
    node("Mul", ["embedded", "weights"], ["shares"]),
    node("ReduceSum", ["shares", "axis1"], ["centre"]),
  ]);
}

/** The same without a look at the mask, so that pad tokens count. `operator` is ReduceMean, ReduceMax, ... */
export function unmasked(operator: string): Uint8Array {
  return tokenModel([node(operator, ["embedded", "axis1"], ["centre"])]);
}

/** `features` FP32 [batch, sequence, 4] -> `pooled` FP32 [batch, 4] by an operator that takes the whole sequence. */
export function featurePool(operator: string): Uint8Array {
  return model(
    [node(operator, ["features", "axis1"], ["kept"]), node("Squeeze", ["kept", "axis1"], ["pooled"])],
    [value("features", FLOAT, ["batch", "sequence", HIDDEN])],
    [value("pooled", FLOAT, ["batch", HIDDEN])],
  );
}

/**
 * `input_ids` INT64 [batch, sequence] -> `last_hidden_state` FP32 [batch, sequence, 4]: token plus learned position.
 * Padding is safe up to the longest sequence that it has positions for, and fails beyond.
 */
export function learnedPositions(longest: number): Uint8Array {
  return model(
    [
      node("Gather", ["table", "input_ids"], ["embedded"]),
      node("Equal", ["input_ids", "input_ids"], ["same"]),
      node("Cast", ["same"], ["ones"], [field(1, text("to")), number(3, INT64), number(20, 2)]),
      node("CumSum", ["ones", "axis1"], ["positions"]),
      node("Gather", ["places", "positions"], ["placed"]),
      node("Add", ["embedded", "placed"], ["last_hidden_state"]),
    ],
    [value("input_ids", INT64, ["batch", "sequence"])],
    [value("last_hidden_state", FLOAT, ["batch", "sequence", HIDDEN])],
    [tensor("places", [longest + 1, HIDDEN], varied(longest + 1))],
  );
}

function tokenModel(centre: readonly Uint8Array[]): Uint8Array {
  return model(
    [
      node("Gather", ["table", "input_ids"], ["embedded"]),
      ...centre,
      node("Sub", ["embedded", "centre"], ["last_hidden_state"]),
      node("Squeeze", ["centre", "axis1"], ["pooled"]),
    ],
    [value("input_ids", INT64, ["batch", "sequence"]), value("attention_mask", INT64, ["batch", "sequence"])],
    [value("last_hidden_state", FLOAT, ["batch", "sequence", HIDDEN]), value("pooled", FLOAT, ["batch", HIDDEN])],
  );
}

function model(
  nodes: readonly Uint8Array[],
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
  weights: readonly Uint8Array[] = [],
): Uint8Array {
  const initializers = [
    tensor("table", [VOCABULARY, HIDDEN], varied(VOCABULARY)),
    tensor("bias", [1], Float32Array.of(10_000)),
    axis("axis1", 1),
    axis("axis2", 2),
    ...weights,
  ];
  const graph = concat([
    ...nodes.map((bytes) => field(1, bytes)),
    field(2, text("sequence")),
    ...initializers.map((bytes) => field(5, bytes)),
    ...inputs.map((bytes) => field(11, bytes)),
    ...outputs.map((bytes) => field(12, bytes)),
  ]);
  return concat([
    number(1, IR_VERSION),
    field(2, text("warmgate-tests")),
    field(7, graph),
    field(8, concat([field(1, text("")), number(2, OPSET)])),
  ]);
}

function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attribute?: readonly Uint8Array[],
): Uint8Array {
  return concat([
    ...inputs.map((name) => field(1, text(name))),
    ...outputs.map((name) => field(2, text(name))),
    field(4, text(operator)),
    ...(attribute ? [field(5, concat(attribute))] : []),
  ]);
}

/** A list of one axis, as the operators of opset 18 take it. */
function axis(name: string, index: number): Uint8Array {
  const raw = new Uint8Array(BigInt64Array.of(BigInt(index)).buffer);
  return concat([number(1, 1), number(2, INT64), field(8, text(name)), field(9, raw)]);
}

/** Rows of both signs, no two alike; row 0, which is the pad token's, is larger than all others and not zero. */
function varied(rows: number): Float32Array {
  return Float32Array.from({ length: rows * HIDDEN }, (_, index) => (index < HIDDEN ? 3 : Math.sin(index * 12.9898)));
}

function tensor(name: string, dims: readonly number[], values: Float32Array): Uint8Array {
  return concat([
    ...dims.map((size) => number(1, size)),
    number(2, FLOAT),
    field(8, text(name)),
    field(9, new Uint8Array(values.buffer)),
  ]);
}

function value(name: string, type: number, dims: readonly (string | number)[]): Uint8Array {
  const shape = concat(dims.map((size) => field(1, typeof size === "string" ? field(2, text(size)) : number(1, size))));
  return concat([field(1, text(name)), field(2, field(1, concat([number(1, type), field(2, shape)])))]);
}

function field(id: number, content: Uint8Array): Uint8Array {
  return concat([varint((id << 3) | 2), varint(content.length), content]);
}

function number(id: number, whole: number): Uint8Array {
  return concat([varint(id << 3), varint(whole)]);
}

function varint(whole: number): Uint8Array {
  const bytes: number[] = [];
  let rest = whole;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
