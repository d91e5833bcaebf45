/**
 * Lets in only what the edge has signed (`shared/protocol/signing.ts`). The raw bytes are verified before anything in
 * them is parsed, in constant time, and a request is taken once.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import {
  parseAuthorization,
  SIGNING_WINDOW_MS,
  type SignedParameters,
  type SigningKey,
  textToSign,
} from "../../shared/protocol/signing.ts";
import { type Exchange, singleHeader } from "./exchange.ts";
import { ReplayGuard } from "./replay-guard.ts";

/** Why a request was not let in; counted, never told to the caller. */
export type RejectionReason = "unsigned" | "unknown_key" | "bad_signature" | "stale_or_replayed";

/** What of a request the signature covers, besides its body. */
export type SignedMessage = Pick<Exchange, "method" | "target" | "headers">;

export interface Authenticator {
  /**
   * @param body as it came, before any decompression
   * @returns what the edge says of the request; undefined where no signature is asked for
   * @throws WarmgateError `invalid_signature`
   */
  authenticate(request: SignedMessage, body: Uint8Array): SignedParameters | undefined;
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

  authenticate(request: SignedMessage, body: Uint8Array): SignedParameters {
    const checked = this.#check(request, body);
    if (typeof checked !== "string") return checked;
    this.#onReject(checked);
    throw new WarmgateError("invalid_signature", "the request is not signed by an edge of this pool");
  }

  #check(request: SignedMessage, body: Uint8Array): SignedParameters | RejectionReason {
    const authorization = parseAuthorization(singleHeader(request, "authorization") ?? "");
    if (!authorization) return "unsigned";
    const { fields, parameters, signature } = authorization;
    const secret = this.#keys.get(fields.keyId);
    if (!secret) return "unknown_key";
    const headerLength = singleHeader(request, INFERENCE_HEADER_LENGTH) ?? "";
    const text = textToSign(request.method, request.target, headerLength, parameters);
    const expected = createHmac("sha256", secret).update(text).update(body).digest();
    const given = Buffer.from(signature, "base64url");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return "bad_signature";
    return this.#guard.admit(fields.nonce, fields.signedAt, this.#now()) ? fields : "stale_or_replayed";
  }
}
