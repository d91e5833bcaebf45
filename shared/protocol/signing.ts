/**
 * Signing of requests from the edge to the pool.
 *
 * The signature is base64url(HMAC-SHA256(key, canonical text)); the canonical text names everything that decides
 * what the pool does: method, path with query, body digest, tenant, time budget, request id, time of signing and
 * nonce, one a line, so no two different requests share a text (no field may hold a line break).
 *
 * Guarantee: without a key nothing is accepted; a captured request is accepted at most once per serving process,
 * and not at all once {@link SIGNING_WINDOW_MS} has passed. Worst case: replayed to *another* node inside the window
 * it runs once more there, which costs one inference and shows the replayer nothing that it had not captured.
 *
 * The HMAC itself is done by each side with what its platform has: WebCrypto at the edge, node:crypto in the pool.
 */

/** How far the time of signing may lie from the pool's clock, in milliseconds, both ways. */
export const SIGNING_WINDOW_MS = 30_000;

const VERSION = "warmgate-hmac-sha256-v1";

export interface SignedFields {
  readonly method: string;
  /** Path and query exactly as sent. */
  readonly target: string;
  /** Value of the header Content-Digest; the digest of zero bytes when there is no body. */
  readonly contentDigest: string;
  readonly tenant: string;
  /** The value of x-warmgate-timeout-ms, or "" when there is none. */
  readonly timeoutMs: string;
  readonly requestId: string;
  readonly signedAt: string;
  readonly nonce: string;
}

/** The text that is signed. */
export function canonicalText(fields: SignedFields): string {
  return [
    VERSION,
    fields.method,
    fields.target,
    fields.contentDigest,
    fields.tenant,
    fields.timeoutMs,
    fields.requestId,
    fields.signedAt,
    fields.nonce,
  ].join("\n");
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
