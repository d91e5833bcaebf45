import { createHmac, randomUUID } from "node:crypto";
import { formatAuthorization, formatParameters, type SigningKey, textToSign } from "../../shared/protocol/signing.ts";

/** A request of this process's own, for no tenant. */
export interface OwnRequest {
  /** POST unless given. */
  readonly method?: "GET" | "POST";
  /** Path and query exactly as sent. */
  readonly target: string;
  /** Value of Inference-Header-Content-Length, "" without one. */
  readonly headerLength: string;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  readonly requestId: string;
}

/** @returns the header `authorization` that signs the request as of now, good for one use (`shared/protocol/signing.ts`) */
export function signRequest({ id, secret }: SigningKey, request: OwnRequest): string {
  const { method = "POST", target, headerLength, body, timeoutMs, requestId } = request;
  const parameters = formatParameters({
    keyId: id,
    signedAt: Date.now(),
    nonce: randomUUID(),
    tenant: "",
    timeoutMs,
    maxRows: 0,
    requestId,
  });
  const text = textToSign(method, target, headerLength, parameters);
  return formatAuthorization(parameters, createHmac("sha256", secret).update(text).update(body).digest("base64url"));
}
