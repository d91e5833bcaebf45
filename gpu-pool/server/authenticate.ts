/**
 * Lets in only what the edge has signed (`shared/protocol/signing.ts`). The raw bytes are verified before anything in
 * them is parsed, in constant time, and a request is taken once.
 */
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { WarmgateError } from "../../shared/protocol/errors.ts";
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
import { canonicalText, SIGNING_WINDOW_MS, type SigningKey } from "../../shared/protocol/signing.ts";
import { ReplayGuard } from "./replay-guard.ts";

/** Why a request was not let in; counted, never told to the caller. */
export type RejectionReason = "unsigned" | "unknown_key" | "bad_digest" | "bad_signature" | "stale_or_replayed";

export interface Authenticator {
  /** @throws WarmgateError `invalid_signature` */
  authenticate(request: IncomingMessage, body: Uint8Array): void;
}

/** For `--pool-auth open`: tools on the same machine call the pool directly. */
export const openAuthenticator: Authenticator = { authenticate: () => undefined };

export class SignatureAuthenticator implements Authenticator {
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  readonly #guard: ReplayGuard;
  readonly #now: () => number;
  readonly #onReject: (reason: RejectionReason) => void;

  /** @param now milliseconds since 1970 */
  constructor(keys: readonly SigningKey[], now: () => number, onReject: (reason: RejectionReason) => void) {
    this.#keys = new Map(keys.map((key) => [key.id, key.secret]));
    this.#guard = new ReplayGuard(SIGNING_WINDOW_MS, now());
    this.#now = now;
    this.#onReject = onReject;
  }

  authenticate(request: IncomingMessage, body: Uint8Array): void {
    const reason = this.#check(request, body);
    if (reason === undefined) return;
    this.#onReject(reason);
    throw new WarmgateError("invalid_signature", "the request is not signed by an edge of this pool");
  }

  #check(request: IncomingMessage, body: Uint8Array): RejectionReason | undefined {
    const header = (name: string) => {
      const value = request.headers[name];
      return typeof value === "string" ? value : "";
    };
    const signature = header(SIGNATURE);
    const nonce = header(NONCE);
    const signedAt = header(SIGNED_AT);
    if (!signature || nonce.length < 22 || nonce.length > 64 || !/^[0-9]{13}$/.test(signedAt)) return "unsigned";
    const secret = this.#keys.get(header(SIGNING_KEY_ID));
    if (!secret) return "unknown_key";
    const contentDigest = header(CONTENT_DIGEST);
    if (contentDigest !== `sha-256=:${hash("sha256", body, "base64")}:`) return "bad_digest";
    const text = canonicalText({
      method: request.method ?? "",
      target: request.url ?? "",
      contentDigest,
      tenant: header(TENANT),
      timeoutMs: header(TIMEOUT_MS),
      requestId: header(REQUEST_ID),
      signedAt,
      nonce,
    });
    const expected = createHmac("sha256", secret).update(text).digest();
    const given = Buffer.from(signature, "base64url");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return "bad_signature";
    return this.#guard.admit(nonce, Number(signedAt), this.#now()) ? undefined : "stale_or_replayed";
  }
}
