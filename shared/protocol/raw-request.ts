import { encodeBytesElements } from "./bytes-elements.ts";
import { ELEMENT_BYTES } from "./datatype.ts";
import { quoted } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { shapeText } from "./shape.ts";
import type { InferenceRequest, Tensor, TensorSpec } from "./tensor.ts";
import { checkElements } from "./tensor-decode.ts";

/**
 * Reads a raw binary request (`Inference-Header-Content-Length: 0`): the body is the data of the model's only input, and
 * all outputs come back binary.
 *
 * The shape follows from the model's: one varying dimension is worked out from the length of the body; where several
 * vary the first is the batch and is 1. A BYTES input must be a single element, which the body is as it stands.
 *
 * @param inputs what the model declares; -1 is a dimension that varies
 * @throws WarmgateError `input_mismatch` for a model that cannot be asked this way, `invalid_data` for a wrong length
 */
export function decodeRawRequest(body: Uint8Array, inputs: readonly TensorSpec[]): InferenceRequest {
  const [spec] = inputs;
  if (spec === undefined || inputs.length !== 1) {
    throw new WarmgateError("input_mismatch", `a raw binary request needs a model of 1 input, not ${inputs.length}`);
  }
  const input =
    spec.datatype === "BYTES" ? rawBytes(body, spec) : rawElements(body, spec, ELEMENT_BYTES[spec.datatype]);
  return { parameters: {}, inputs: [input], binaryOutput: true };
}

function rawBytes(body: Uint8Array, spec: TensorSpec): Tensor {
  if (!spec.shape.every((dimension, axis) => dimension === 1 || (axis === 0 && dimension === -1))) {
    throw new WarmgateError(
      "input_mismatch",
      `a raw binary request carries one BYTES element, but input ${quoted(spec.name)} has shape ${shapeText(spec.shape)}`,
    );
  }
  return {
    name: spec.name,
    datatype: spec.datatype,
    shape: spec.shape.map(() => 1),
    bytes: encodeBytesElements([body]),
  };
}

function rawElements(body: Uint8Array, spec: TensorSpec, width: number): Tensor {
  const what = `input ${quoted(spec.name)}`;
  const shape = [...spec.shape];
  if (shape[0] === -1 && shape.indexOf(-1, 1) !== -1) shape[0] = 1;
  const varying = shape.indexOf(-1);
  if (varying !== -1 && shape.indexOf(-1, varying + 1) !== -1) {
    throw new WarmgateError(
      "input_mismatch",
      `a raw binary request cannot say the shape of ${what}: several dimensions of ${shapeText(spec.shape)} vary`,
    );
  }
  const fixedBytes = shape.reduce((product, dimension) => (dimension === -1 ? product : product * dimension), width);
  if (varying !== -1) shape[varying] = fixedBytes === 0 ? 0 : Math.floor(body.length / fixedBytes);
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  if (count * width !== body.length) {
    throw new WarmgateError(
      "invalid_data",
      `the body has ${body.length} bytes, which do not fill shape ${shapeText(spec.shape)} of ${what} (${spec.datatype})`,
    );
  }
  checkElements(body, spec.datatype, count, what);
  const bytes = new Uint8Array(body.buffer, body.byteOffset, body.length);
  return { name: spec.name, datatype: spec.datatype, shape, bytes };
}
