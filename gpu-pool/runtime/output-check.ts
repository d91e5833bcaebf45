/** What a model answered, held against what it said it would answer. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
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

/** Index of the first NaN or Infinity of a floating-point tensor; undefined when there is none. */
export function firstNonFinite({ datatype, bytes }: Tensor): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const find = (width: number, finite: (at: number) => boolean): number | undefined => {
    for (let at = 0; at < bytes.byteLength; at += width) if (!finite(at)) return at / width;
    return undefined;
  };
  switch (datatype) {
    case "FP32":
      return find(4, (at) => Number.isFinite(view.getFloat32(at, true)));
    case "FP64":
      return find(8, (at) => Number.isFinite(view.getFloat64(at, true)));
    // All bits of the exponent set: 5 of them in FP16, 8 in BF16.
    case "FP16":
      return find(2, (at) => (view.getUint16(at, true) & 0x7c00) !== 0x7c00);
    case "BF16":
      return find(2, (at) => (view.getUint16(at, true) & 0x7f80) !== 0x7f80);
    default:
      return undefined;
  }
}
