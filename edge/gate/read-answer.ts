/** A node's answer as typed tensors, held against what the model owes: a node that mixes up answers must not do so for callers. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { decodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceResponse, Tensor, TensorSpec } from "../../shared/protocol/tensor.ts";
import type { PoolAnswer } from "./forward.ts";
import type { Routed } from "./route.ts";

/**
 * @param routed what was asked; where it is another artefact that has answered, only the form is checked
 * @throws WarmgateError `bad_pool_response`
 */
export function readAnswer(
  { body, headerLength, artefact }: Pick<PoolAnswer, "body" | "headerLength" | "artefact">,
  { capability, contract, decoded }: Pick<Routed, "capability" | "contract" | "decoded">,
): InferenceResponse {
  const response = decodeInferenceResponse(body, headerLength);
  const model = capability?.model;
  if (!model || artefact !== model.digest || decoded.kind !== "tensors") return response;
  const { inputs, outputs: requested } = decoded.request;
  const owed = (requested?.length ? requested : (contract ?? model).signature.outputs).map(({ name }) => name);
  const rows = model.maxBatch > 0 ? inputs[0]?.shape[0] : undefined;
  const problem = outputsProblem(response.outputs, owed, model.signature.outputs, rows);
  if (problem === undefined) return response;
  throw new WarmgateError("bad_pool_response", "the pool's answer is not what the model owes", { cause: problem });
}

function outputsProblem(
  outputs: readonly Tensor[],
  owed: readonly string[],
  specs: readonly TensorSpec[],
  rows: number | undefined,
): string | undefined {
  const names = outputs.map(({ name }) => name);
  if (names.length !== owed.length || owed.some((name) => !names.includes(name))) {
    return `it has the outputs ${names.join(", ")}, not ${owed.join(", ")}`;
  }
  for (const output of outputs) {
    const spec = specs.find(({ name }) => name === output.name);
    if (!spec) continue;
    const { datatype, shape, name } = output;
    if (datatype !== spec.datatype) return `output ${name} is ${datatype}, not ${spec.datatype}`;
    // ONNX Runtime shows an output of unknown rank like a scalar.
    if (spec.shape.length === 0) continue;
    const fits =
      shape.length === spec.shape.length &&
      spec.shape.every((size, axis) =>
        axis === 0 ? (rows ?? shape[0]) === shape[0] : size === -1 || size === shape[axis],
      );
    if (!fits) return `output ${name} has shape [${shape.join(", ")}]`;
  }
  return undefined;
}
