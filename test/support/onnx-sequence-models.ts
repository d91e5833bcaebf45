/**
 * Small ONNX models with a sequence axis, to try padding on: some leave a row's answer alone when it is padded, some do
 * not.
 */
import {
  FLOAT,
  floatTensor,
  INT64,
  integerAttribute,
  integerTensor,
  node,
  model as onnxModel,
  valueInfo,
} from "./onnx-protobuf.ts";

/** Width of what one token becomes. */
const HIDDEN = 4;
const VOCABULARY = 16;

/**
 * `input_ids`, `attention_mask` INT64 [batch, sequence] -> `pooled` FP32 [batch, 4], the mean over the tokens that the
 * mask names, and `last_hidden_state` FP32 [batch, sequence, 4], each token less that mean. Padding is safe.
 */
export function maskedMean(): Uint8Array {
  return tokenModel([
    node("Cast", ["attention_mask"], ["mask"], [integerAttribute("to", FLOAT)]),
    node("Unsqueeze", ["mask", "axis2"], ["weights"]),
    node("Mul", ["embedded", "weights"], ["kept"]),
    node("ReduceSum", ["kept", "axis1"], ["sum"]),
    node("ReduceSum", ["weights", "axis1"], ["count"]),
    node("Div", ["sum", "count"], ["centre"]),
  ]);
}

/**
 * The same with a softmax over tokens in which those of the mask are 10000 above the others, as in BERT. Padding is safe as
 * long as the mask names any token; a row without one attends to its pad.
 */
export function maskedAttention(): Uint8Array {
  return tokenModel([
    node("Cast", ["attention_mask"], ["mask"], [integerAttribute("to", FLOAT)]),
    node("Unsqueeze", ["mask", "axis2"], ["kept"]),
    node("Mul", ["kept", "bias"], ["scores"]),
    ...attention(),
  ]);
}

/** The same with `attention_mask` as the bias itself, FP32 [batch, sequence], to be padded with -10000. */
export function biasedAttention(): Uint8Array {
  return tokenModel([node("Unsqueeze", ["attention_mask", "axis2"], ["scores"]), ...attention()], FLOAT);
}

/** As maskedMean without a look at the mask, so that pad tokens count. `operator` is ReduceMean, ReduceMax, ... */
export function unmasked(operator: string): Uint8Array {
  return tokenModel([node(operator, ["embedded", "axis1"], ["centre"])]);
}

/** `features` FP32 [batch, sequence, 4] -> `pooled` FP32 [batch, 4] by an operator that takes the whole sequence. */
export function featurePool(operator: string): Uint8Array {
  return model(
    [node(operator, ["features", "axis1"], ["kept"]), node("Squeeze", ["kept", "axis1"], ["pooled"])],
    [valueInfo("features", FLOAT, ["batch", "sequence", HIDDEN])],
    [valueInfo("pooled", FLOAT, ["batch", HIDDEN])],
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
      node("Cast", ["same"], ["ones"], [integerAttribute("to", INT64)]),
      node("CumSum", ["ones", "axis1"], ["positions"]),
      node("Gather", ["places", "positions"], ["placed"]),
      node("Add", ["embedded", "placed"], ["last_hidden_state"]),
    ],
    [valueInfo("input_ids", INT64, ["batch", "sequence"])],
    [valueInfo("last_hidden_state", FLOAT, ["batch", "sequence", HIDDEN])],
    [floatTensor("places", [longest + 1, HIDDEN], varied(longest + 1))],
  );
}

function attention(): Uint8Array[] {
  return [
    node("Softmax", ["scores"], ["weights"], [integerAttribute("axis", 1)]),
    node("Mul", ["embedded", "weights"], ["shares"]),
    node("ReduceSum", ["shares", "axis1"], ["centre"]),
  ];
}

function tokenModel(centre: readonly Uint8Array[], maskType = INT64): Uint8Array {
  return model(
    [
      node("Gather", ["table", "input_ids"], ["embedded"]),
      ...centre,
      node("Sub", ["embedded", "centre"], ["last_hidden_state"]),
      node("Squeeze", ["centre", "axis1"], ["pooled"]),
    ],
    [
      valueInfo("input_ids", INT64, ["batch", "sequence"]),
      valueInfo("attention_mask", maskType, ["batch", "sequence"]),
    ],
    [
      valueInfo("last_hidden_state", FLOAT, ["batch", "sequence", HIDDEN]),
      valueInfo("pooled", FLOAT, ["batch", HIDDEN]),
    ],
  );
}

/** Every model has the same few constants at hand. */
function model(
  nodes: readonly Uint8Array[],
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
  weights: readonly Uint8Array[] = [],
): Uint8Array {
  const initializers = [
    floatTensor("table", [VOCABULARY, HIDDEN], varied(VOCABULARY)),
    floatTensor("bias", [1], Float32Array.of(10_000)),
    integerTensor("axis1", [1]),
    integerTensor("axis2", [2]),
    ...weights,
  ];
  return onnxModel({ nodes, initializers, inputs, outputs });
}

/** Rows of both signs, no two alike; row 0, which is the pad token's, is larger than all others and not zero. */
function varied(rows: number): Float32Array {
  return Float32Array.from({ length: rows * HIDDEN }, (_, index) => (index < HIDDEN ? 3 : Math.sin(index * 12.9898)));
}
