/**
 * Signing of requests from the edge to the pool, in one header:
 *
 *     authorization: Warmgate key=<id>,at=<ms>,nonce=<...>,tenant=<...>,timeout=<ms>,rows=<n>,request=<id>,signature=<...>
 *
 * The signature is base64url(HMAC-SHA256(key, text ++ body)). The text names everything else that decides what the pool
 * does: version, method, path with query, the header that tells how the body is to be read, and the parameters above, one
 * a line. No line can hold a line break and their number is fixed, so the body begins at one place only and no two
 * different requests are signed alike. One header and one pass over the body, since at the edge each header and each
 * call of the cryptography costs as much as parsing a small request.
 *
 * Guarantee: without a key nothing is accepted; a captured request is accepted at most once per serving process,
 * and not at all once {@link SIGNING_WINDOW_MS} has passed. Worst case: replayed to *another* node inside the window
 * it runs once more there, which costs one inference and shows the replayer nothing that it had not captured.
 *
 * The HMAC itself is done by each side with what its platform has: WebCrypto at the edge, node:crypto in the pool.
 */

/** How far the time of signing may lie from the pool's clock, in milliseconds, both ways. */
export const SIGNING_WINDOW_MS = 30_000;

const SCHEME = "Warmgate ";
const VERSION = "warmgate-hmac-sha256-v1";
const PARAMETERS =
  /^key=([A-Za-z0-9_-]{1,32}),at=([0-9]{13}),nonce=([A-Za-z0-9_-]{22,64}),tenant=([a-z0-9-]{0,63}),timeout=([0-9]{1,5}),rows=([0-9]{1,7}),request=([A-Za-z0-9._-]{1,64})$/;

/** What the edge says of a request, besides the request itself. */
export interface SignedParameters {
  readonly keyId: string;
  /** When it was signed, in milliseconds since 1970. */
  readonly signedAt: number;
  /** At least 120 random bits, 22 to 64 characters; a retry has a new one. */
  readonly nonce: string;
  /** Whom the request is for; "" for the edge's own. */
  readonly tenant: string;
  /** Time left for the answer, in whole milliseconds: clocks of two machines never meet. */
  readonly timeoutMs: number;
  /** Rows that the tenant may send at once; 0: as many as the model takes. */
  readonly maxRows: number;
  readonly requestId: string;
}

/** The parameters as they stand in the header and in the signed text. */
export function formatParameters(parameters: SignedParameters): string {
  const { keyId, signedAt, nonce, tenant, timeoutMs, maxRows, requestId } = parameters;
  return `key=${keyId},at=${signedAt},nonce=${nonce},tenant=${tenant},timeout=${timeoutMs},rows=${maxRows},request=${requestId}`;
}

/**
 * What is signed before the body.
 *
 * @param target path and query exactly as sent
 * @param headerLength value of Inference-Header-Content-Length, "" without one
 */
export function textToSign(method: string, target: string, headerLength: string, parameters: string): string {
  return `${VERSION}\n${method}\n${target}\n${headerLength}\n${parameters}\n`;
}

/** @param signature base64url */
export function formatAuthorization(parameters: string, signature: string): string {
  return `${SCHEME}${parameters},signature=${signature}`;
}

export interface Authorization {
  readonly fields: SignedParameters;
  /** As they stand in the header. */
  readonly parameters: string;
  /** base64url */
  readonly signature: string;
}

/** Reads the header; undefined unless every parameter is there and has the right form. Proves nothing yet. */
export function parseAuthorization(header: string): Authorization | undefined {
  const separator = header.lastIndexOf(",signature=");
  if (!header.startsWith(SCHEME) || separator < 0) return undefined;
  const parameters = header.slice(SCHEME.length, separator);
  const match = PARAMETERS.exec(parameters);
  if (!match) return undefined;
  const [, keyId = "", signedAt = "", nonce = "", tenant = "", timeoutMs = "", maxRows = "", requestId = ""] = match;
  return {
    fields: {
      ...{ keyId, signedAt: Number(signedAt), nonce, tenant },
      ...{ timeoutMs: Number(timeoutMs), maxRows: Number(maxRows), requestId },
    },
    parameters,
    signature: header.slice(separator + ",signature=".length),
  };
}

export interface SigningKey {
  readonly id: string;
  readonly secret: Uint8Array;
}

/**
 * Reads `id:base64url-secret[,id:base64url-secret]`. The first key signs, all of them verify: that is how a key is
 * rotated without a gap.
 *
 * @throws RangeError naming what is wrong, never the secret.
 */
export function parseSigningKeys(text: string): readonly [SigningKey, ...SigningKey[]] {
  const keys = text.split(",").map((part): SigningKey => {
    const match = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9_-]+)$/.exec(part.trim());
    if (!match?.[1] || !match[2]) throw new RangeError("a signing key must be written id:base64url-secret");
    const secret = Uint8Array.from(atob(match[2].replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    if (secret.length < 32) throw new RangeError(`the secret of signing key ${match[1]} is shorter than 32 bytes`);
    return { id: match[1], secret };
  });
  const [first, ...rest] = keys;
  if (!first) throw new RangeError("there must be at least one signing key");
  return [first, ...rest];
}
