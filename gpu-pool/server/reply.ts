import type { IncomingMessage, ServerResponse } from "node:http";
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

/** Above this many bytes turning a body into text costs more than a second write. */
const ONE_WRITE_BYTES = 8192;

export function jsonReply(value: unknown, status = 200): Reply {
  return { status, body: JSON.stringify(value) };
}

export function errorReply(error: WarmgateError, requestId: string): Reply {
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== undefined) headers["retry-after"] = String(error.retryAfterSeconds);
  return { status: ERROR_KINDS[error.code].status, body: JSON.stringify(error.body(requestId)), headers };
}

export function send(response: ServerResponse, reply: Reply, requestId: string): void {
  const body = sendHead(response, reply, requestId);
  if (!body) return;
  // As text, head and body leave in one write; Latin-1 is every byte as it is.
  if (body.byteLength > ONE_WRITE_BYTES) response.end(body);
  else response.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1"), "latin1");
}

/** How long what is left of a refused body is read and thrown away, in milliseconds. */
export const LINGER_MS = 2_000;

/**
 * Answers a request whose body is still on its way, then ends the connection: the rest must not be read as the next
 * request. It is thrown away for a moment, because closing on unread bytes resets the connection, and callers that
 * send all of a body before they listen would see that and no answer (RFC 9112, 9.6).
 */
export function sendAhead(request: IncomingMessage, response: ServerResponse, reply: Reply, requestId: string): void {
  response.shouldKeepAlive = false;
  const body = sendHead(response, reply, requestId);
  if (!body) return;
  response.write(body);
  const finish = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(finish, LINGER_MS);
  request.removeAllListeners("data").once("end", finish).once("close", finish).resume();
}

/** @returns the body that is to follow; undefined when the response is beyond answering */
function sendHead(response: ServerResponse, reply: Reply, requestId: string): Uint8Array | undefined {
  if (response.headersSent || response.destroyed) return undefined;
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
  return body;
}
