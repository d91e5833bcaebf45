import type { lookup } from "node:dns";
import { type Dispatcher, Pool } from "undici";
import { type AddressRule, checkHost, guardedLookup } from "./address-rules.ts";
import { codeOf, SourceError } from "./source-error.ts";

export interface ConnectionLimits {
  /** Connections, and so requests, at a time. */
  readonly connections: number;
  /** To a connection, TLS included, in milliseconds. */
  readonly connectMs: number;
  /** Between the request and the answer's head, and between any two pieces of its body, in milliseconds. */
  readonly idleMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData["headers"];
  readonly body: Dispatcher.ResponseData["body"];
}

/** Of an answer that was not asked for, this much is looked at for a reason, in bytes. */
const LONGEST_REASON = 16 * 1024;

/**
 * Connections to one origin and to no other: undici follows no redirect here, and whatever the origin's name resolves to is
 * judged at each connection. Failures come as SourceError, of which none shows a path's query or a header.
 */
export class SourceConnection {
  readonly #origin: string;
  readonly #limits: ConnectionLimits;
  readonly #pool: Pool;

  /**
   * @param resolve for tests of what a name may resolve to
   * @throws SourceError `forbidden_address`
   */
  constructor(origin: string, addresses: AddressRule, limits: ConnectionLimits, resolve?: typeof lookup) {
    checkHost(new URL(origin).hostname, addresses);
    this.#origin = origin;
    this.#limits = limits;
    this.#pool = new Pool(origin, {
      connections: limits.connections,
      // Streams of one connection would share its window: a file would wait for the other.
      allowH2: false,
      connect: { timeout: limits.connectMs, lookup: guardedLookup(addresses, resolve) },
      headersTimeout: limits.idleMs,
      bodyTimeout: limits.idleMs,
    });
  }

  /**
   * @param path with its query, encoded
   * @param accepted statuses that the caller knows what to do with
   * @throws SourceError for any other status, or when there is no answer; the signal's reason when it is aborted
   */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    accepted: readonly number[],
    signal: AbortSignal,
  ): Promise<Answer> {
    try {
      const reply = await this.#pool.request({
        method: "GET",
        path,
        headers: { ...headers, "accept-encoding": "identity", "user-agent": "warmgate" },
        signal,
      });
      // It fails when it is cut off, whether or not anyone is reading by then.
      reply.body.on("error", () => undefined);
      const { statusCode: status, body } = reply;
      if (accepted.includes(status)) return { status, headers: reply.headers, body };
      throw this.#unexpected(path, status, reply.headers.location, await start(body));
    } catch (error) {
      throw this.failure(error, signal);
    }
  }

  /** What an error while an answer was read comes to. */
  failure(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof SourceError) return error;
    const code = codeOf(error);
    if (code === "UND_ERR_CONNECT_TIMEOUT") {
      return new SourceError("timeout", `no connection to ${this.#origin} within ${this.#limits.connectMs} ms`);
    }
    if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") {
      return new SourceError("timeout", `nothing came from ${this.#origin} for ${this.#limits.idleMs} ms`);
    }
    return new SourceError("unreachable", `${this.#origin} cannot be reached, or the connection broke: ${code}`);
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  #unexpected(path: string, status: number, location: unknown, body: string): SourceError {
    const place = `${this.#origin}${path.replace(/\?.*/s, "")}`;
    // The error documents of S3 name it: AccessDenied, NoSuchBucket, RequestTimeTooSkewed.
    const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(body)?.[1];
    const text = `${place} answered ${status}${code ? ` (${code})` : ""}`;
    if (status >= 300 && status < 400) {
      const target = typeof location === "string" && URL.canParse(location, this.#origin);
      const where = target ? `, to ${new URL(location, this.#origin).origin}` : "";
      return new SourceError("redirected", `${text}${where}: redirects are not followed`, { status });
    }
    return new SourceError(status >= 500 ? "failing" : "refused", text, { status });
  }
}

/** The beginning of a body as text; the rest is not read. */
async function start(body: Answer["body"]): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      if (!Buffer.isBuffer(chunk)) break;
      chunks.push(chunk);
      length += chunk.length;
      if (length >= LONGEST_REASON) break;
    }
  } catch {
    // The status alone must do.
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * A whole answer as text.
 *
 * @throws SourceError `bad_manifest` when it is longer than that, or no UTF-8; else as {@link SourceConnection.failure}
 */
export async function readText(
  answer: Answer,
  mostBytes: number,
  what: string,
  failure: (error: unknown) => unknown,
): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body) {
      if (!Buffer.isBuffer(chunk)) continue;
      length += chunk.length;
      if (length > mostBytes) throw new SourceError("bad_manifest", `${what} is longer than ${mostBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw failure(error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new SourceError("bad_manifest", `${what} is not UTF-8`);
  }
}
