/** Header names that edge and pool agree on. Lower case, as Fetch and Node hand them out. */

/** Byte length of the JSON part of a body that carries binary tensor data (binary tensor data extension). */
export const INFERENCE_HEADER_LENGTH = "inference-header-content-length";

export const REQUEST_ID = "x-request-id";
export const TRACEPARENT = "traceparent";

/** How long the answer may take, in whole milliseconds, as callers say it. */
export const TIMEOUT_MS = "x-warmgate-timeout-ms";
/** The pool's timing of one request, in the form of Server-Timing, for the edge to merge into its own. */
export const SERVER_TIMING = "server-timing";

/**
 * How busy a node is, with each of its inference replies: `wait=<ms>;level=<1..512>;slots=<n>;own=<ms>`. The time that a request
 * of the default class would wait now, the importance below which requests should be sent (shared/control/importance.ts),
 * how many runs the device takes at once, and what one of the tenant that is replied to would wait, which is less where others
 * have had their share.
 */
export const POOL_LOAD = "x-warmgate-load";
/** What an answer took, for metering: `rows=<n>;device=<ms>`, the latter the request's share of its batch. From the pool. */
export const POOL_USAGE = "x-warmgate-usage";
/** The configuration that a reply was made under. */
export const CONFIG_VERSION = "x-warmgate-config";
/** Who asks, for tools that call an open pool directly; from the edge it comes signed. */
export const TENANT = "x-warmgate-tenant";
/** Digest of the artefact that made an answer. From the pool: what is cached is filed under what made it. */
export const POOL_ARTEFACT = "x-warmgate-artefact";
/** Of an inference reply of the pool: `sha-256=:<base64>:` over the bytes of its body (RFC 9530), so that damage on its way is seen. */
export const CONTENT_DIGEST = "content-digest";
/** What the prediction cache did for a request (RFC 9211). */
export const CACHE_STATUS = "cache-status";

/** The version that a caller pins, as the path of the protocol can as well. */
export const VERSION_PIN = "x-warmgate-version";
/** The contract that a caller was written against, and the one that its answer keeps. */
export const CONTRACT = "x-warmgate-contract";
/** The class of hardware that a caller asks for. */
export const HARDWARE = "x-warmgate-hardware";
/** `<experiment>=<arm>`: the arm that a request was in. */
export const EXPERIMENT = "x-warmgate-experiment";
/** `1` asks for an explanation, which the reply's header {@link EXPLANATION} holds. */
export const EXPLAIN = "x-warmgate-explain";
export const EXPLANATION = "x-warmgate-explanation";
/** When a contract was or will be deprecated (RFC 9745), and when it ends (RFC 8594). */
export const DEPRECATION = "deprecation";
export const SUNSET = "sunset";
export const LINK = "link";
/** From the edge: which attempt of a request this is, counted from 1; left out of the first. */
export const ATTEMPT = "x-warmgate-attempt";
/** How a degraded answer was come by: `cached;version=<n>`, `version;version=<n>`, `rule`, or `job` where it comes later. Left out of every other answer. */
export const DEGRADED = "x-warmgate-degraded";
