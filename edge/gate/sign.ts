import {
  CONTENT_DIGEST,
  NONCE,
  REQUEST_ID,
  SIGNATURE,
  SIGNED_AT,
  SIGNING_KEY_ID,
  TENANT,
  TIMEOUT_MS,
} from "../../shared/protocol/headers.ts";
import { canonicalText } from "../../shared/protocol/signing.ts";
import type { EdgeSettings } from "../environment.ts";

export interface ToSign {
  readonly method: string;
  /** Path and query as they will be sent. */
  readonly target: string;
  readonly body: Uint8Array;
  readonly tenant: string;
  readonly timeoutMs: string;
  readonly requestId: string;
}

const utf8 = new TextEncoder();

/** The headers that make the pool take a request, with a nonce of their own each time (`shared/protocol/signing.ts`). */
export async function signedHeaders(
  request: ToSign,
  { signingKey, signingKeyId }: EdgeSettings,
  now: number,
): Promise<Record<string, string>> {
  const { method, target, tenant, timeoutMs, requestId } = request;
  const contentDigest = `sha-256=:${base64(await crypto.subtle.digest("SHA-256", request.body))}:`;
  const signedAt = String(now);
  const nonce = crypto.randomUUID();
  const text = canonicalText({ method, target, contentDigest, tenant, timeoutMs, requestId, signedAt, nonce });
  const signature = base64(await crypto.subtle.sign("HMAC", signingKey, utf8.encode(text)));
  return {
    [SIGNING_KEY_ID]: signingKeyId,
    [SIGNED_AT]: signedAt,
    [NONCE]: nonce,
    [CONTENT_DIGEST]: contentDigest,
    [TENANT]: tenant,
    [TIMEOUT_MS]: timeoutMs,
    [REQUEST_ID]: requestId,
    [SIGNATURE]: signature.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
  };
}

function base64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
