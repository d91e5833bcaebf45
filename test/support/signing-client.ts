/** Signs requests to the pool as the edge does, with any field changed after signing where a test wants that. */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import {
  formatAuthorization,
  formatParameters,
  parseSigningKeys,
  type SignedParameters,
  textToSign,
} from "../../shared/protocol/signing.ts";

export interface Signable {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly body?: Uint8Array;
  readonly tenant?: string;
  readonly timeoutMs?: number;
  readonly maxRows?: number;
  readonly requestId?: string;
  /** Milliseconds since 1970; now unless given. */
  readonly signedAt?: number;
  readonly nonce?: string;
  /** Value of Inference-Header-Content-Length. */
  readonly headerLength?: string;
}

/** A fresh key in the form of POOL_SIGNING_KEYS. */
export function newSigningKey(id: string): string {
  return `${id}:${randomBytes(32).toString("base64url")}`;
}

/**
 * The headers that make the request one of the edge's.
 *
 * @param keys in the form of POOL_SIGNING_KEYS; the first signs
 * @param afterSigning parameters that are changed once the request is signed
 */
export function signedHeaders(
  keys: string,
  request: Signable,
  afterSigning: Partial<SignedParameters> = {},
): Record<string, string> {
  const [key] = parseSigningKeys(keys);
  const parameters: SignedParameters = {
    keyId: key.id,
    signedAt: request.signedAt ?? Date.now(),
    nonce: request.nonce ?? randomBytes(18).toString("base64url"),
    tenant: request.tenant ?? "acme",
    timeoutMs: request.timeoutMs ?? 10_000,
    maxRows: request.maxRows ?? 0,
    requestId: request.requestId ?? randomUUID(),
  };
  const { method, target, headerLength, body = new Uint8Array(0) } = request;
  const text = textToSign(method, target, headerLength ?? "", formatParameters(parameters));
  const signature = createHmac("sha256", key.secret).update(text).update(body).digest("base64url");
  return {
    authorization: formatAuthorization(formatParameters({ ...parameters, ...afterSigning }), signature),
    ...(headerLength === undefined ? {} : { [INFERENCE_HEADER_LENGTH]: headerLength }),
  };
}
