import type { InferenceSession } from "onnxruntime-node";
import type { Datatype } from "../../shared/protocol/datatype.ts";
import type { ModelSignature, TensorSpec } from "../../shared/protocol/tensor.ts";

const DATATYPE_OF: Readonly<Record<string, Datatype>> = {
  bool: "BOOL",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  float16: "FP16",
  float32: "FP32",
  float64: "FP64",
  string: "BYTES",
};

/** What a session says of itself, in the protocol's terms. */
export interface SessionSignature extends ModelSignature {
  /** Outputs that are not tensors (scikit-learn's ZipMap, for one); no protocol can carry them, so they are left out. */
  readonly omittedOutputs: readonly string[];
}

/**
 * Reads a loaded model's signature; a dimension without a fixed size becomes -1.
 *
 * @throws Error in plain words when an input or every output is of a type that cannot be served
 */
export function sessionSignature(session: InferenceSession): SessionSignature {
  const inputs = session.inputMetadata.map((value) => {
    const spec = tensorSpec(value);
    if (!spec) throw new Error(`input '${value.name}' is not a tensor, or of a datatype that cannot be served`);
    return spec;
  });
  const outputs: TensorSpec[] = [];
  const omittedOutputs: string[] = [];
  for (const value of session.outputMetadata) {
    const spec = tensorSpec(value);
    if (spec) outputs.push(spec);
    else omittedOutputs.push(value.name);
  }
  if (outputs.length === 0) throw new Error("the model has no output that is a tensor");
  return { inputs, outputs, omittedOutputs };
}

function tensorSpec(value: InferenceSession.ValueMetadata): TensorSpec | undefined {
  if (!value.isTensor) return undefined;
  const datatype = DATATYPE_OF[value.type];
  if (!datatype) return undefined;
  return { name: value.name, datatype, shape: value.shape.map((size) => (typeof size === "number" ? size : -1)) };
}
