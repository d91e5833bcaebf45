import type { ServerResponse } from "node:http";
import { ERROR_KINDS, type WarmgateError } from "../../shared/protocol/errors.ts";
import { INFERENCE_HEADER_LENGTH, REQUEST_ID } from "../../shared/protocol/headers.ts";

/** What a route answers with; one place turns it into HTTP. */
export interface Reply {
  readonly status: number;
  readonly body: Uint8Array | string;
  /** Exactly `application/json` unless given: KServe's client compares the header for equality. */
  readonly contentType?: string;
  /** Byte length of the JSON part when binary tensor data follows it. */
  readonly headerLength?: number | undefined;
  readonly serverTiming?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function jsonReply(value: unknown, status = 200): Reply {
  return { status, body: JSON.stringify(value) };
}

export function errorReply(error: WarmgateError, requestId: string): Reply {
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== undefined) headers["retry-after"] = String(error.retryAfterSeconds);
  // What is left of a refused body must not be read as the next request.
  if (error.code === "body_too_large" || error.code === "request_timeout") headers.connection = "close";
  return { status: ERROR_KINDS[error.code].status, body: JSON.stringify(error.body(requestId)), headers };
}

export function send(response: ServerResponse, reply: Reply, requestId: string): void {
  if (response.headersSent || response.destroyed) return;
  const body = typeof reply.body === "string" ? Buffer.from(reply.body) : reply.body;
  const headers = [
    "content-type",
    reply.contentType ?? "application/json",
    "content-length",
    String(body.byteLength),
    REQUEST_ID,
    requestId,
  ];
  if (reply.headerLength !== undefined) headers.push(INFERENCE_HEADER_LENGTH, String(reply.headerLength));
  if (reply.serverTiming) headers.push("server-timing", reply.serverTiming);
  for (const name in reply.headers) headers.push(name, reply.headers[name] ?? "");
  response.writeHead(reply.status, headers);
  response.end(body);
}
