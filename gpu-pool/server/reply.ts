import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
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
  else response.end(latin1(body), "latin1");
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
  const body = bytesOf(reply);
  response.writeHead(reply.status, headerList(reply, body.byteLength, requestId));
  return body;
}

/**
 * A reply as an HTTP/1.1 message, for a connection that no ServerResponse looks after.
 *
 * @param last whether the connection ends after it
 * @returns all of it as Latin-1 text, or its head as such and its body as bytes
 */
export function formatReply(reply: Reply, requestId: string, last: boolean): readonly [string, Uint8Array?] {
  const body = bytesOf(reply);
  const headers = headerList(reply, body.byteLength, requestId);
  let head = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ""}\r\n`;
  for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  head += `date: ${httpDate()}\r\nconnection: ${last ? "close" : "keep-alive"}\r\n\r\n`;
  return body.byteLength > ONE_WRITE_BYTES ? [head, body] : [head + latin1(body)];
}

function headerList(reply: Reply, length: number, requestId: string): string[] {
  const headers = [
    "content-type",
    reply.contentType ?? "application/json",
    "content-length",
    String(length),
    REQUEST_ID,
    requestId,
  ];
  if (reply.headerLength !== undefined) headers.push(INFERENCE_HEADER_LENGTH, String(reply.headerLength));
  if (reply.serverTiming) headers.push("server-timing", reply.serverTiming);
  for (const name in reply.headers) headers.push(name, reply.headers[name] ?? "");
  return headers;
}

function bytesOf({ body }: Reply): Uint8Array {
  return typeof body === "string" ? Buffer.from(body) : body;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

let dateSecond = 0;
let dateText = "";

/** The value of Date, made once a second. */
function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}
