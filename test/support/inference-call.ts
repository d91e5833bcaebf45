/** One inference over HTTP, in either form, with the whole reply. */
import { z } from "zod";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import { decodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceRequest, InferenceResponse } from "../../shared/protocol/tensor.ts";

export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

export async function call(url: string, init: RequestInit = {}): Promise<HttpReply> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000), ...init });
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpReply> {
  return call(url, { method: "POST", body: JSON.stringify(body), headers });
}

const jsonResponse = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(
    z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()), data: z.array(z.unknown()) }),
  ),
});

/** @throws Error with the reply's text unless it is a 200 */
export async function inferJson(url: string, model: string, request: unknown): Promise<z.infer<typeof jsonResponse>> {
  const reply = await post(`${url}/v2/models/${model}/infer`, request);
  if (reply.status !== 200) throw new Error(`${model}: ${reply.status} ${reply.body}`);
  return jsonResponse.parse(JSON.parse(reply.body.toString()));
}

/** @throws Error with the reply's text unless it is a 200 */
export async function inferBinary(url: string, model: string, request: InferenceRequest): Promise<InferenceResponse> {
  const { body, headerLength } = encodeInferenceRequest(request);
  const headers = { ...(headerLength === undefined ? {} : { [INFERENCE_HEADER_LENGTH]: String(headerLength) }) };
  const reply = await call(`${url}/v2/models/${model}/infer`, {
    method: "POST",
    body: new Uint8Array(body),
    headers,
  });
  if (reply.status !== 200) throw new Error(`${model}: ${reply.status} ${reply.body}`);
  return decodeInferenceResponse(reply.body, reply.headers.get(INFERENCE_HEADER_LENGTH));
}

/** A request with one FP32 input. */
export function fp32Request(name: string, shape: readonly number[], data: readonly number[]): unknown {
  return { inputs: [{ name, shape, datatype: "FP32", data }] };
}
