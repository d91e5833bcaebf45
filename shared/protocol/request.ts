/**
 * Inference requests of the Open Inference Protocol v2 over REST, with the binary tensor data extension.
 *
 *     const request = decodeInferenceRequest(body, headers.get(INFERENCE_HEADER_LENGTH));
 *     checkInputs(signature, request.inputs);
 *     const { body, headerLength } = encodeInferenceRequest(request); // what the edge sends to the pool
 *
 * What decodes is whole: every tensor holds exactly the elements of its shape, and every byte of the body has been
 * accounted for. What does not is a WarmgateError that names the field. Time and memory are linear in the length of the
 * body, whatever its shapes and lengths claim. Of JSON keys given twice the last counts, as in JSON.parse.
 *
 * Specification: https://github.com/kserve/open-inference-protocol (inference_rest.md) and Triton's
 * extension_binary_data.md.
 */

import { quoted, readFlag, readList, readObject, readOptionalText, readParameters, readText } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { type EncodedMessage, joinBody, splitBody } from "./framing.ts";
import { parseJson } from "./json-document.ts";
import { type CodecLimits, DEFAULT_CODEC_LIMITS } from "./limits.ts";
import type { InferenceRequest, RequestedOutput } from "./tensor.ts";
import { decodeTensors, refuseSharedMemory } from "./tensor-decode.ts";
import { encodeTensors } from "./tensor-encode.ts";

export type { EncodedMessage } from "./framing.ts";
export { decodeRawRequest } from "./raw-request.ts";

/**
 * @param headerLength the value of `Inference-Header-Content-Length`, null when there is none; "0" is
 * {@link decodeRawRequest}'s
 * @throws WarmgateError with status 400, or `not_implemented`
 */
export function decodeInferenceRequest(
  body: Uint8Array,
  headerLength: string | null,
  limits: CodecLimits = DEFAULT_CODEC_LIMITS,
): InferenceRequest {
  const { json, binary } = splitBody(body, headerLength);
  const document = parseJson(json, limits);
  const root = readObject(document.value, "the body");
  const id = readOptionalText(root.id, "id");
  const given = readParameters(root.parameters, "parameters");
  const { binary_data_output: _, ...parameters } = given;
  const binaryOutput = readFlag(given, "binary_data_output", "parameters") ?? false;
  const outputs = readRequestedOutputs(root.outputs, binaryOutput, limits);
  const inputs = decodeTensors("inputs", document, binary, limits);
  if (inputs.length === 0) throw new WarmgateError("invalid_request", "inputs must have at least one tensor");
  return {
    ...(id === undefined ? {} : { id }),
    parameters,
    inputs,
    ...(outputs.length === 0 ? {} : { outputs }),
    binaryOutput,
  };
}

/**
 * A listed output's own `binary_data` decides its form, else the request's `binary_data_output`: so says the text of the
 * extension. Triton and KServe's server take JSON for a listed output without `binary_data`; no known client lists
 * outputs without it.
 */
function readRequestedOutputs(list: unknown, binaryOutput: boolean, limits: CodecLimits): RequestedOutput[] {
  return readList(list, "outputs", limits.maxTensors).map((value, index) => {
    const item = readObject(value, `outputs[${index}]`);
    const name = readText(item.name, `outputs[${index}].name`);
    const what = `requested output ${quoted(name)}`;
    const parameters = readParameters(item.parameters, `parameters of ${what}`);
    refuseSharedMemory(parameters, what);
    if (parameters.classification !== undefined) {
      throw new WarmgateError("not_implemented", `${what} asks for classification, which is not served`);
    }
    return { name, binary: readFlag(parameters, "binary_data", `parameters of ${what}`) ?? binaryOutput };
  });
}

/** Every input as binary tensor data, with the form of each output spelled out: what the edge sends to the pool. */
export function encodeInferenceRequest(request: InferenceRequest): EncodedMessage {
  const { entries, blobs } = encodeTensors(request.inputs, () => true);
  const parameters = request.binaryOutput ? { ...request.parameters, binary_data_output: true } : request.parameters;
  const members = [`"inputs":[${entries.join(",")}]`];
  if (request.id !== undefined) members.unshift(`"id":${JSON.stringify(request.id)}`);
  if (Object.keys(parameters).length > 0) members.push(`"parameters":${JSON.stringify(parameters)}`);
  if (request.outputs !== undefined) {
    const outputs = request.outputs.map(({ name, binary }) => ({ name, parameters: { binary_data: binary } }));
    members.push(`"outputs":${JSON.stringify(outputs)}`);
  }
  return joinBody(`{${members.join(",")}}`, blobs);
}
