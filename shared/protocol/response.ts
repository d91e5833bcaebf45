/**
 * Inference responses of the Open Inference Protocol v2 over REST, with the binary tensor data extension.
 *
 *     const { body, headerLength } = encodeInferenceResponse(response, request);
 *
 * Which outputs there are has been decided before; here only their form is. Sources as in `request.ts`.
 */

import { readObject, readOptionalText, readParameters, readText } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { type EncodedMessage, joinBody, splitBody } from "./framing.ts";
import { parseJson } from "./json-document.ts";
import { type CodecLimits, DEFAULT_CODEC_LIMITS } from "./limits.ts";
import type { InferenceRequest, InferenceResponse } from "./tensor.ts";
import { decodeTensors } from "./tensor-decode.ts";
import { encodeTensors } from "./tensor-encode.ts";

/**
 * @param asked what the request said: a listed output has the form it was listed with, any other that of `binaryOutput`
 * @throws WarmgateError `non_finite_output` or `binary_required` when an output asked for as JSON has no JSON form
 */
export function encodeInferenceResponse(
  response: InferenceResponse,
  asked: Pick<InferenceRequest, "outputs" | "binaryOutput">,
): EncodedMessage {
  const { entries, blobs } = encodeTensors(
    response.outputs,
    ({ name }) => asked.outputs?.find((output) => output.name === name)?.binary ?? asked.binaryOutput,
  );
  const { modelName, modelVersion, id, parameters } = response;
  const head = `{"model_name":${JSON.stringify(modelName)},"model_version":${JSON.stringify(modelVersion)}`;
  const idMember = id === undefined ? "" : `,"id":${JSON.stringify(id)}`;
  const parametersMember = parameters === undefined ? "" : `,"parameters":${JSON.stringify(parameters)}`;
  return joinBody(`${head}${idMember}${parametersMember},"outputs":[${entries.join(",")}]}`, blobs);
}

/**
 * Reads the pool's reply. A version that is null or absent, as KServe's server answers, is "".
 *
 * @param headerLength the value of `Inference-Header-Content-Length`, null when there is none
 * @throws WarmgateError `bad_pool_response`
 */
export function decodeInferenceResponse(
  body: Uint8Array,
  headerLength: string | null,
  limits: CodecLimits = DEFAULT_CODEC_LIMITS,
): InferenceResponse {
  try {
    const { json, binary } = splitBody(body, headerLength);
    const document = parseJson(json, limits);
    const root = readObject(document.value, "the body");
    const id = readOptionalText(root.id, "id");
    const parameters = readParameters(root.parameters, "parameters");
    return {
      modelName: readText(root.model_name, "model_name"),
      modelVersion: readOptionalText(root.model_version, "model_version") ?? "",
      ...(id === undefined ? {} : { id }),
      ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
      outputs: decodeTensors("outputs", document, binary, limits),
    };
  } catch (error) {
    if (!(error instanceof WarmgateError)) throw error;
    throw new WarmgateError("bad_pool_response", `the pool's answer was not understood: ${error.message}`, {
      cause: error,
    });
  }
}
