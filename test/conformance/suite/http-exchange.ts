/**
 * One HTTP request and its reply as bytes. `node:http` rather than fetch: fetch decompresses replies, adds headers of
 * its own and hides what was sent, and the suite must see exactly what a plain client sees.
 */
import http from "node:http";
import https from "node:https";

export interface Call {
  readonly method: string;
  /** Path and query, relative to the target's URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Sends the body in this many chunks with Transfer-Encoding instead of Content-Length. */
  readonly chunks?: number;
  /** Leaves out the headers that the suite was started with, such as the API key. */
  readonly anonymous?: boolean;
  readonly agent?: http.Agent;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function slices(body: Buffer, count: number): Buffer[] {
  const size = Math.max(1, Math.ceil(body.length / count));
  const parts: Buffer[] = [];
  for (let start = 0; start < body.length; start += size) parts.push(body.subarray(start, start + size));
  return parts;
}

function headersOf(message: http.IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}

/** Sends one request; rejects on a connection error or when no whole reply has come after `timeoutMs`. */
export function exchange(url: URL, call: Call, headers: Record<string, string>, timeoutMs: number): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const body = call.body ?? (call.method === "POST" ? Buffer.alloc(0) : undefined);
  const sized = body !== undefined && call.chunks === undefined ? { "content-length": String(body.length) } : {};
  const secure = url.protocol === "https:";
  const request = (secure ? https : http).request(url, {
    method: call.method,
    headers: { ...sized, ...headers },
    agent: call.agent ?? (secure ? new https.Agent() : new http.Agent()),
  });
  const timer = setTimeout(() => request.destroy(new Error(`no reply within ${timeoutMs} ms`)), timeoutMs);
  const settle = (): void => clearTimeout(timer);
  request.on("error", (error) => {
    settle();
    reject(error);
  });
  request.on("response", (message) => {
    const parts: Buffer[] = [];
    message.on("data", (part: Buffer) => parts.push(part));
    message.on("error", (error) => {
      settle();
      reject(error);
    });
    message.on("end", () => {
      settle();
      resolve({ status: message.statusCode ?? 0, headers: headersOf(message), body: Buffer.concat(parts) });
    });
  });
  if (body !== undefined && call.chunks !== undefined)
    for (const part of slices(body, call.chunks)) request.write(part);
  else if (body !== undefined) request.write(body);
  request.end();
  return promise;
}
