/** Header names that edge and pool agree on. Lower case, as Fetch and Node hand them out. */

/** Byte length of the JSON part of a body that carries binary tensor data (binary tensor data extension). */
export const INFERENCE_HEADER_LENGTH = "inference-header-content-length";

export const REQUEST_ID = "x-request-id";
export const TRACEPARENT = "traceparent";

/** Time left for the request in whole milliseconds, restated at every hop: clocks of two machines never meet. */
export const TIMEOUT_MS = "x-warmgate-timeout-ms";
/** Which tenant a signed request is for. */
export const TENANT = "x-warmgate-tenant";

export const SIGNING_KEY_ID = "x-warmgate-key-id";
/** When the request was signed, in milliseconds since 1970. */
export const SIGNED_AT = "x-warmgate-signed-at";
/** At least 120 random bits, 22 to 64 characters; a retry has a new one. */
export const NONCE = "x-warmgate-nonce";
export const SIGNATURE = "x-warmgate-signature";
/** SHA-256 of the body as sent, RFC 9530: `sha-256=:<base64>:`. */
export const CONTENT_DIGEST = "content-digest";

/** The pool's timing of one request, in the form of Server-Timing, for the edge to merge into its own. */
export const SERVER_TIMING = "server-timing";
