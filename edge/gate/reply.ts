/** Last step: the answer in the form the caller asked for, or the refusal in the one error shape. */
import { negotiateCompression } from "../../shared/protocol/accept-encoding.ts";
import { ERROR_KINDS, type WarmgateError } from "../../shared/protocol/errors.ts";
import {
  CACHE_STATUS,
  CONFIG_VERSION,
  DEGRADED,
  EXPLANATION,
  INFERENCE_HEADER_LENGTH,
  REQUEST_ID,
  SERVER_TIMING,
  TRACEPARENT,
} from "../../shared/protocol/headers.ts";
import { explanationHeader } from "../telemetry/explanation.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import { limitHeaders } from "./limit-headers.ts";

/** Below this many bytes compressing costs more than it saves. */
const WORTH_COMPRESSING = 1024;

export interface Answer {
  readonly body: Uint8Array;
  /** 200 unless given. */
  readonly status?: number;
  /** application/json, or an octet stream where there is a header length, unless given. */
  readonly contentType?: string;
  /** Byte length of the JSON part when binary tensor data follows it. */
  readonly headerLength?: number | string | undefined;
  /** Beside those of every reply. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * @param acceptEncoding the caller's Accept-Encoding where the answer may be compressed: clients undo the compression of
 * inference results only
 */
export function reply(answer: Answer, record: RequestRecord, acceptEncoding: string | null = null): Response {
  const headers: Record<string, string> = {
    "content-type":
      answer.contentType ?? (answer.headerLength === undefined ? "application/json" : "application/octet-stream"),
    ...commonHeaders(record),
    ...answer.headers,
  };
  if (answer.headerLength !== undefined) headers[INFERENCE_HEADER_LENGTH] = String(answer.headerLength);
  record.bytesOut = answer.body.byteLength;
  const encoding = answer.body.byteLength < WORTH_COMPRESSING ? undefined : negotiateCompression(acceptEncoding ?? "");
  if (encoding === undefined) return new Response(answer.body, { status: answer.status ?? 200, headers });
  headers["content-encoding"] = encoding;
  // Other bytes than the plain ones, which a strong tag would deny.
  if (headers.etag !== undefined) headers.etag = `W/${headers.etag}`;
  headers.vary = "accept-encoding";
  const compressed = new Response(answer.body).body?.pipeThrough(new CompressionStream(encoding)) ?? null;
  return new Response(compressed, { headers, encodeBody: "manual" });
}

/** The caller holds the answer already (RFC 9110, 15.4.5). */
export function notModified(record: RequestRecord): Response {
  return new Response(null, { status: 304, headers: commonHeaders(record) });
}

export function errorReply(error: WarmgateError, record: RequestRecord, allow?: string): Response {
  record.entityTag = "";
  const headers: Record<string, string> = { "content-type": "application/json", ...commonHeaders(record) };
  if (error.retryAfterSeconds !== undefined) headers["retry-after"] = String(error.retryAfterSeconds);
  if (error.code === "unauthenticated") headers["www-authenticate"] = "Bearer";
  if (allow !== undefined) headers.allow = allow;
  const body = JSON.stringify(error.body(record.requestId));
  record.bytesOut = body.length;
  return new Response(body, { status: ERROR_KINDS[error.code].status, headers });
}

function commonHeaders(record: RequestRecord): Record<string, string> {
  return {
    ...limitHeaders(record.standings),
    [CONFIG_VERSION]: String(record.configVersion),
    [REQUEST_ID]: record.requestId,
    [TRACEPARENT]: record.trace.traceparent,
    [SERVER_TIMING]: record.serverTiming(),
    ...record.routeHeaders,
    ...(record.explains ? { [EXPLANATION]: explanationHeader(record) } : {}),
    ...(record.degraded === undefined ? {} : { [DEGRADED]: record.degraded }),
    ...(record.cacheStatus === "" ? {} : { [CACHE_STATUS]: record.cacheStatus }),
    ...(record.entityTag === "" ? {} : { etag: record.entityTag }),
    // A proxy that compresses on its own would break clients that count on the bytes as sent. What has a tag may be kept by the
    // caller, who must ask whether it still holds.
    "cache-control": record.entityTag === "" ? "no-store, no-transform" : "private, no-cache, no-transform",
    "x-content-type-options": "nosniff",
  };
}
