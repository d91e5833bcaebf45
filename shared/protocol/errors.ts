/**
 * The one error taxonomy: every refusal of the edge and of the pool is one of these codes, and every error body is
 *
 *     { "error": "<human text>", "code": "<stable_code>", "request_id": "..." }
 *
 * with content type exactly `application/json` (KServe's client compares it for equality). Codes are part of the
 * API contract: one may be added, none may change its meaning. `GET /docs/errors` is rendered from this table.
 */

export interface ErrorKind {
  /** HTTP status that goes with the code, always. */
  readonly status: number;
  /** What happened, for the documentation. */
  readonly meaning: string;
  /** What the caller can do about it, for the documentation. */
  readonly remedy: string;
}

export const ERROR_KINDS = {
  malformed_json: {
    status: 400,
    meaning: "The JSON part of the body cannot be parsed.",
    remedy: "Send valid UTF-8 JSON. NaN and Infinity are not JSON: use binary tensor data for them.",
  },
  invalid_request: {
    status: 400,
    meaning: "The body is JSON but not an inference request, or a header or parameter has a value that is not allowed.",
    remedy: "Compare the request with /openapi.json; the error text names the field.",
  },
  invalid_header_length: {
    status: 400,
    meaning: "Inference-Header-Content-Length is not a whole number, or is larger than the body.",
    remedy: "Send the exact byte length of the JSON part, before compression.",
  },
  invalid_shape: {
    status: 400,
    meaning: "A shape has a negative, fractional or oversized dimension, too many dimensions or too many elements.",
    remedy: "Send each dimension as a whole number >= 0, the batch dimension included.",
  },
  invalid_data: {
    status: 400,
    meaning:
      "Tensor data does not match its shape or datatype: wrong count, wrong type, out of range, ragged or cut off.",
    remedy: "Send row-major data, flat or nested to the shape, with every element inside the datatype's range.",
  },
  non_finite: {
    status: 400,
    meaning: "Tensor data in JSON holds a number that is not finite, or null.",
    remedy: "Use binary tensor data for NaN and Infinity.",
  },
  binary_required: {
    status: 400,
    meaning: "FP16, BF16 and BYTES that are not UTF-8 have no JSON form in the protocol.",
    remedy: "Send the input as binary tensor data; ask for the output with the parameter binary_data.",
  },
  unreadable_input: {
    status: 400,
    meaning: "The model's pre-processing cannot read an element: a damaged, foreign or oversized picture, or no UTF-8.",
    remedy: "The error text names the row. Send PNG, JPEG or WebP as binary tensor data, or as base64 in JSON.",
  },
  input_mismatch: {
    status: 400,
    meaning:
      "The inputs do not fit the model's signature: one is missing, unknown, repeated, or of another datatype or shape.",
    remedy: "Read the model's metadata at /v2/models/{model}.",
  },
  unknown_output: {
    status: 400,
    meaning: "A requested output does not exist in the model's signature.",
    remedy: "Read the model's metadata at /v2/models/{model}, or leave `outputs` out to get all of them.",
  },
  batch_too_large: {
    status: 400,
    meaning: "The batch dimension is above the model's largest batch, or above what the tenant's plan allows.",
    remedy: "Split the request; /v2/models/{model}/config states max_batch_size, the error text the plan's limit.",
  },
  invalid_model_name: {
    status: 400,
    meaning: "A model name or version in the URL has characters that no model can have.",
    remedy: "Names match [A-Za-z0-9][A-Za-z0-9._-]{0,63}; versions are whole numbers from 1.",
  },
  model_rejected: {
    status: 400,
    meaning: "The model file could not be loaded or warmed up.",
    remedy: "The error text says why; the version that served before keeps serving.",
  },
  unauthenticated: {
    status: 401,
    meaning:
      "No valid API key or token came with the request. Unknown, malformed, expired and wrong ones look the same.",
    remedy: "Send `Authorization: Bearer wg_...`.",
  },
  invalid_signature: {
    status: 401,
    meaning:
      "The pool takes only requests signed by its edge; this signature is missing, wrong, too old or already used.",
    remedy: "Call the edge. For local tools start the pool with --pool-auth open.",
  },
  forbidden: {
    status: 403,
    meaning: "The API key is valid but lacks the scope for this call.",
    remedy: "Use a key with the scope that the error text names.",
  },
  tenant_suspended: {
    status: 403,
    meaning: "The tenant of this API key is suspended: none of its calls is answered.",
    remedy: "Ask whoever runs this deployment.",
  },
  not_found: {
    status: 404,
    meaning: "There is no such path, or nothing of that name for this caller: what belongs to others looks the same.",
    remedy: "The paths are listed in /openapi.json.",
  },
  model_not_found: {
    status: 404,
    meaning: "There is no model of this name.",
    remedy: "Check the spelling; names are case-sensitive.",
  },
  version_not_found: {
    status: 404,
    meaning: "The model exists, this version of it does not.",
    remedy: "The model's metadata lists its versions; without a version in the URL the server chooses.",
  },
  contract_not_found: {
    status: 404,
    meaning: "The model has no contract of the number that x-warmgate-contract names; it may have ended.",
    remedy: "The error text lists the contracts that there are. Without the header the oldest one counts.",
  },
  method_not_allowed: {
    status: 405,
    meaning: "The path exists, but not for this HTTP method.",
    remedy: "The header Allow lists the methods.",
  },
  request_timeout: {
    status: 408,
    meaning: "The request's headers or body did not arrive in time.",
    remedy: "Send again on a better connection.",
  },
  conflict: {
    status: 409,
    meaning: "What was asked for does not fit what there is: it exists already, is still in use, or was revoked.",
    remedy: "The error text says what is in the way.",
  },
  job_not_cancellable: {
    status: 409,
    meaning: "The job runs, or is done: it can no longer be cancelled.",
    remedy: "Read what comes of it at /v1/jobs/{id}. A job is cancelled while its status is queued.",
  },
  job_without_result: {
    status: 409,
    meaning: "The job has no result: it is not done yet, or was cancelled.",
    remedy: "Ask again after Retry-After, or send the request again where there is none.",
  },
  job_expired: {
    status: 410,
    meaning:
      "The job was done more than 24 hours ago, and its result is not kept any longer. After 48 hours it is not_found.",
    remedy: "Send the request again, and read the result within a day.",
  },
  body_too_large: {
    status: 413,
    meaning: "The body is larger than is accepted, before or after decompression.",
    remedy: "Split the batch, or send binary tensor data, which is several times smaller than JSON.",
  },
  uri_too_long: { status: 414, meaning: "The URL is too long.", remedy: "Send data in the body." },
  unsupported_media_type: {
    status: 415,
    meaning: "The body's content type is neither JSON nor an octet stream.",
    remedy: "Send application/json, application/octet-stream or no content type.",
  },
  unsupported_encoding: {
    status: 415,
    meaning: "The body's content encoding is not supported.",
    remedy: "Send the body plain, or compressed with gzip or deflate.",
  },
  job_result_too_large: {
    status: 422,
    meaning: "The job's answer is larger than is kept for it (8 MiB).",
    remedy: "Send fewer rows at once, or ask for fewer outputs, or for binary ones.",
  },
  invalid_configuration: {
    status: 422,
    meaning: "A change of configuration is contradictory or could have no effect. Nothing was changed.",
    remedy: "The error text lists everything that is wrong with it.",
  },
  rate_limited: {
    status: 429,
    meaning: "More requests came, for this tenant, key or address, than its rate allows.",
    remedy: "Send again after Retry-After. RateLimit-Policy states the limits, RateLimit what is left of them.",
  },
  concurrency_limited: {
    status: 429,
    meaning: "As many requests of this tenant or key are in flight as may be.",
    remedy: "Wait for answers before sending more, or send rows together in one request.",
  },
  quota_exceeded: {
    status: 429,
    meaning: "The quota of the day or month (UTC) is used up.",
    remedy: "Retry-After tells when the next period begins; whoever runs this deployment can raise the quota.",
  },
  headers_too_large: { status: 431, meaning: "The request's headers are too large.", remedy: "Send fewer headers." },
  internal: {
    status: 500,
    meaning: "Something failed that should not have. Nothing about it is shown to callers; the log has the request id.",
    remedy: "Report the request id.",
  },
  model_failed: {
    status: 500,
    meaning: "The model was run and failed on this input.",
    remedy: "Check the input's values against what the model was trained on.",
  },
  non_finite_output: {
    status: 500,
    meaning: "The model answered NaN or Infinity, which JSON cannot carry.",
    remedy: "Request binary output to receive the values as they are.",
  },
  not_implemented: {
    status: 501,
    meaning: "A part of the protocol that this server does not serve, such as shared memory.",
    remedy: "GET /v2 lists the extensions that are served.",
  },
  bad_pool_response: {
    status: 502,
    meaning: "The pool's answer was cut off or not understood.",
    remedy: "Send again; if it stays, report the request id.",
  },
  draining: {
    status: 503,
    meaning: "This serving process is stopping and takes no new work.",
    remedy: "Send again after Retry-After.",
  },
  model_not_ready: {
    status: 503,
    meaning:
      "The model is still loading or warming up, or was unloaded, or whoever would know of it has only just started.",
    remedy: "Send again after Retry-After; /v2/models/{model}/ready says when.",
  },
  hardware_unavailable: {
    status: 503,
    meaning: "No node of the class of hardware that was asked for has the model.",
    remedy: "Leave x-warmgate-hardware out, or ask whoever runs this deployment for that class.",
  },
  overloaded: {
    status: 503,
    meaning: "There is more work than can be finished in time, of all callers or of this one. Nothing was run.",
    remedy: "Send again after Retry-After, and less at a time.",
  },
  device_out_of_memory: {
    status: 503,
    meaning: "The device had no memory left for this request, not even with it alone in smaller parts.",
    remedy: "Send again after Retry-After, with fewer rows or smaller ones if it stays.",
  },
  limiter_unavailable: {
    status: 503,
    meaning: "The tenant's limits could not be checked, so the request was not let through.",
    remedy: "Send again after Retry-After.",
  },
  pool_unavailable: {
    status: 503,
    meaning: "The edge cannot reach the pool.",
    remedy: "Send again after Retry-After.",
  },
  not_cached: {
    status: 504,
    meaning: "The request has Cache-Control: only-if-cached, and its answer is not in the cache.",
    remedy: "Leave only-if-cached out to have the model run.",
  },
  deadline_unreachable: {
    status: 504,
    meaning:
      "The answer could not have been ready within the request's time budget, so it was refused at once and not run.",
    remedy: "Send again after Retry-After, or allow more time with x-warmgate-timeout-ms or the parameter `timeout`.",
  },
  deadline_exceeded: {
    status: 504,
    meaning: "The request's time budget ran out before the answer was there.",
    remedy: "Allow more time with x-warmgate-timeout-ms or the parameter `timeout`, or send less at once.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

export interface ErrorBody {
  error: string;
  code: ErrorCode;
  request_id?: string;
}

/** A refusal with a stable code. Its message is shown to the caller: no paths, no stacks, no other tenant's data. */
export class WarmgateError extends Error {
  override readonly name = "WarmgateError";
  readonly code: ErrorCode;
  /** Whole seconds for the `Retry-After` header; absent when sending again cannot help. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: { retryAfterSeconds?: number; cause?: unknown } = {}) {
    // Refusals come by the thousand a second under overload, and a stack costs more than the rest of one.
    const engine: ErrorConstructor & { stackTraceLimit?: number } = Error;
    const { stackTraceLimit = 10 } = engine;
    engine.stackTraceLimit = ERROR_KINDS[code].status === 500 ? stackTraceLimit : 0;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    engine.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return ERROR_KINDS[this.code].status;
  }

  body(requestId?: string): ErrorBody {
    return { error: this.message, code: this.code, ...(requestId === undefined ? {} : { request_id: requestId }) };
  }
}

/** Any thrown value as a WarmgateError; what is not one becomes `internal`, with its text kept out of the reply. */
export function asWarmgateError(thrown: unknown): WarmgateError {
  if (thrown instanceof WarmgateError) return thrown;
  return new WarmgateError("internal", "internal error", { cause: thrown });
}
