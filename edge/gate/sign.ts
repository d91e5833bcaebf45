import {
  formatAuthorization,
  formatParameters,
  type SignedParameters,
  textToSign,
} from "../../shared/protocol/signing.ts";
import type { EdgeSettings } from "../environment.ts";

export interface ToSign extends Pick<SignedParameters, "tenant" | "timeoutMs" | "maxRows" | "requestId"> {
  readonly method: string;
  /** Path and query as they will be sent. */
  readonly target: string;
  readonly body: Uint8Array;
  /** Value of Inference-Header-Content-Length, "" without one. */
  readonly headerLength: string;
}

const utf8 = new TextEncoder();

/** The header that makes the pool take a request, with a nonce of its own each time (`shared/protocol/signing.ts`). */
export async function signedAuthorization(
  { method, target, body, headerLength, tenant, timeoutMs, maxRows, requestId }: ToSign,
  { signingKey, signingKeyId }: EdgeSettings,
  now: number,
): Promise<string> {
  const nonce = crypto.randomUUID();
  const parameters = formatParameters({
    ...{ keyId: signingKeyId, signedAt: now, nonce },
    ...{ tenant, timeoutMs, maxRows, requestId },
  });
  const text = utf8.encode(textToSign(method, target, headerLength, parameters));
  const message = new Uint8Array(text.length + body.length);
  message.set(text);
  message.set(body, text.length);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", signingKey, message));
  const base64 = btoa(String.fromCharCode(...signature));
  return formatAuthorization(parameters, base64.replaceAll("+", "-").replaceAll("/", "_").replace("=", ""));
}
