/** How a fake node may answer a prediction, and how that is written to the connection. */
import { hash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { type ErrorCode, WarmgateError } from "../../../shared/protocol/errors.ts";
import { CONTENT_DIGEST, INFERENCE_HEADER_LENGTH, POOL_LOAD, REQUEST_ID } from "../../../shared/protocol/headers.ts";
import { encodeInferenceResponse } from "../../../shared/protocol/response.ts";
import type { InferenceRequest, InferenceResponse, Tensor } from "../../../shared/protocol/tensor.ts";

interface Common {
  /** Before the first byte of the answer. */
  readonly delayMs?: number;
  /** In the place of the usual ones of these names. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type FakeAnswer = Common &
  (
    | { readonly kind: "right" }
    /** Made of the right outputs, in the form that was asked for. */
    | { readonly kind: "outputs"; readonly outputs: (right: readonly Tensor[]) => readonly Tensor[] }
    /** In the one error shape, with the status of the code. */
    | { readonly kind: "refusal"; readonly code: ErrorCode; readonly retryAfterSeconds?: number }
    /** Any bytes under any status, as JSON unless the headers say otherwise. */
    | { readonly kind: "body"; readonly status: number; readonly body: string }
    /** Never answered; the connection stays open. */
    | { readonly kind: "hang" }
    /** The right answer, whose connection is closed after so many bytes of the body. */
    | { readonly kind: "cut"; readonly afterBytes: number }
    /** The right answer under a Content-Length that is wrong by so many bytes; the connection stays open. */
    | { readonly kind: "misstated"; readonly byBytes: number }
  );

/** What the right answer is made of. */
export interface RightAnswer {
  readonly asked: InferenceRequest;
  readonly response: InferenceResponse;
  /** Told with every prediction, a refusal that is worth a repetition included. */
  readonly load: string;
  /** Usage and artefact. */
  readonly headers: Readonly<Record<string, string>>;
  readonly requestId: string;
}

interface Message {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The outputs with NaN for each element that can be it. */
export function notNumbers(outputs: readonly Tensor[]): Tensor[] {
  return outputs.map((output) => {
    if (output.datatype !== "FP32") return output;
    const elements = new Float32Array(output.bytes.length / Float32Array.BYTES_PER_ELEMENT).fill(Number.NaN);
    return { ...output, bytes: new Uint8Array(elements.buffer) };
  });
}

export function writeAnswer(http: ServerResponse, answer: FakeAnswer, right: RightAnswer): void {
  if (answer.kind === "hang" || http.destroyed) return;
  const { status, headers, body } = messageOf(answer, right);
  const length = body.length + (answer.kind === "misstated" ? answer.byBytes : 0);
  http.writeHead(status, {
    ...{ "content-type": "application/json", [REQUEST_ID]: right.requestId },
    ...{ "content-length": String(length), ...headers, ...answer.headers },
  });
  http.flushHeaders();
  if (answer.kind === "cut") http.write(body.subarray(0, answer.afterBytes), () => http.destroy());
  else http.end(body);
}

function messageOf(answer: FakeAnswer, right: RightAnswer): Message {
  const { requestId } = right;
  switch (answer.kind) {
    case "body":
      return { status: answer.status, headers: {}, body: Buffer.from(answer.body) };
    case "refusal": {
      const { code, retryAfterSeconds } = answer;
      const error = new WarmgateError(code, "so the script of this node says");
      const again =
        retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds), [POOL_LOAD]: right.load };
      return { status: error.status, headers: again, body: Buffer.from(JSON.stringify(error.body(requestId))) };
    }
    case "outputs":
      return encoded(right, answer.outputs(right.response.outputs));
    default:
      return encoded(right, right.response.outputs);
  }
}

function encoded({ asked, response, load, headers }: RightAnswer, outputs: readonly Tensor[]): Message {
  const { body, headerLength } = encodeInferenceResponse({ ...response, outputs }, asked);
  const binary =
    headerLength === undefined
      ? {}
      : { [INFERENCE_HEADER_LENGTH]: String(headerLength), "content-type": "application/octet-stream" };
  const digest = { [CONTENT_DIGEST]: `sha-256=:${hash("sha256", body, "base64")}:` };
  return { status: 200, headers: { [POOL_LOAD]: load, ...digest, ...headers, ...binary }, body };
}
