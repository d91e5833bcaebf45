/** What a model answered, held against what it said it would answer. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { ModelSignature } from "../../shared/protocol/tensor.ts";
import type { TransferableTensor } from "./ort-tensor.ts";

/**
 * @param output of a whole batch; the dimensions that the signature fixes must be as it says
 * @throws WarmgateError `model_failed`
 */
export function checkOutputShape(signature: ModelSignature, output: TransferableTensor): void {
  const spec = signature.outputs.find(({ name }) => name === output.name);
  // ONNX Runtime shows an output of unknown rank like a scalar.
  if (!spec || spec.shape.length === 0) return;
  const { shape } = spec;
  const differs =
    shape.length !== output.shape.length ||
    shape.some((size, axis) => size !== -1 && axis > 0 && size !== output.shape[axis]);
  if (!differs) return;
  const given = output.shape.join(", ");
  throw new WarmgateError("model_failed", `output '${output.name}' has shape [${given}], not [${shape.join(", ")}]`);
}
