/**
 * The admin API over HTTP.
 *
 * Promises: every answer is checked before it is used; an answer that is too slow or too large ends in an error; redirects are not
 * followed, so that the key goes nowhere but where it was sent; no error text holds the key.
 */
import { z } from "zod";
import { AnswerTooLarge, parseJson, pathOf, readText } from "../answer-text.ts";
import type { Deployment } from "./deployment.ts";
import { Refused, Unreachable } from "./failure.ts";
import { refusalAdvice } from "./refusal-advice.ts";
import { plain } from "./table.ts";

export interface AdminRequest {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Behind /admin/v1. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** Or a body that is JSON already, sent as it is: numbers that JavaScript would round stay what they are. */
  readonly json?: string;
  /** What the request is about may have headers of its own; they do not replace the client's. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A question, although it is no GET. */
  readonly changesNothing?: true;
}

const TIME_OUT_MS = 10_000;
const LARGEST_ANSWER = 16 * 1024 * 1024;
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the host's name cannot be looked up at the moment",
  ECONNRESET: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  UND_ERR_CONNECT_TIMEOUT: "no connection came about",
  ETIMEDOUT: "no connection came about",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate cannot be verified",
};
const errorSchema = z.object({ error: z.string(), code: z.string(), request_id: z.string().optional() });
const causeSchema = z.object({ cause: z.object({ code: z.string() }) });

export class AdminClient {
  readonly #deployment: Deployment;
  readonly #timeOutMs: number;

  constructor(deployment: Deployment, timeOutMs: number = TIME_OUT_MS) {
    this.#deployment = deployment;
    this.#timeOutMs = timeOutMs;
  }

  /**
   * @throws Refused with the server's code when it said no
   * @throws Unreachable when no answer came, or one that is not Warmgate's
   */
  async ask<Value>(schema: z.ZodType<Value>, request: AdminRequest): Promise<Value> {
    const { text, type } = await this.#exchange(request, "application/json");
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = type === "application/json" ? `${issue?.path.join(".") || "body"}: ${issue?.message}` : type;
    throw this.#strange(`an answer that is not understood (${where})`, request);
  }

  /** The answer as CSV. @throws as `ask` */
  async askCsv(request: AdminRequest): Promise<string> {
    const { text, type } = await this.#exchange(request, "text/csv");
    if (type !== "text/csv") throw this.#strange(`${type} instead of CSV`, request);
    return text;
  }

  async #exchange(request: AdminRequest, accept: string): Promise<{ text: string; type: string }> {
    const { response, text } = await this.#send(request, accept);
    const type = plain(response.headers.get("content-type")?.split(";")[0]?.trim() || "an answer without a type");
    if (response.ok) return { text, type };
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400) {
      throw this.#strange(`a redirect${location === null ? "" : ` to ${plain(location)}`}`, request);
    }
    const parsed = errorSchema.safeParse(parseJson(text));
    if (!parsed.success) throw this.#strange(`status ${response.status} and ${type}`, request);
    const { error, code, request_id: requestId } = parsed.data;
    const advice = refusalAdvice(code, response.headers.get("retry-after"), this.#deployment.keySource);
    throw new Refused(plain(error), plain(code), requestId === undefined ? undefined : plain(requestId), advice);
  }

  async #send(request: AdminRequest, accept: string): Promise<{ response: Response; text: string }> {
    const { method = "GET", body, json = body === undefined ? undefined : JSON.stringify(body) } = request;
    const url = addressOf(this.#deployment.origin, request);
    const headers = new Headers(request.headers);
    headers.set("authorization", `Bearer ${this.#deployment.key}`);
    headers.set("accept", accept);
    headers.set("user-agent", "warmgate-cli");
    if (json !== undefined) headers.set("content-type", "application/json");
    try {
      const response = await fetch(url, {
        ...{ method, headers, redirect: "manual", signal: AbortSignal.timeout(this.#timeOutMs) },
        ...(json === undefined ? {} : { body: json }),
      });
      return { response, text: await readText(response, LARGEST_ANSWER) };
    } catch (error) {
      throw this.#silent(error, request);
    }
  }

  #silent(error: unknown, request: AdminRequest): Unreachable {
    const { origin, whenSilent } = this.#deployment;
    if (error instanceof AnswerTooLarge) return this.#strange("an answer that is far too large", request);
    const slow = error instanceof Error && error.name === "TimeoutError";
    const code = causeSchema.safeParse(error).data?.cause.code ?? "no reason given";
    const reason = slow ? `no answer within ${this.#timeOutMs / 1000} s` : (REASONS[code] ?? code);
    return new Unreachable(`${origin} cannot be reached: ${reason}. ${whenSilent}${doubt(request)}`);
  }

  #strange(what: string, request: AdminRequest): Unreachable {
    return new Unreachable(
      `${this.#deployment.origin} answered with ${what}. Is that a Warmgate, and of this version?${doubt(request)}`,
    );
  }
}

/** After a change that was sent, silence does not mean that it was not made. */
function doubt({ method = "GET", changesNothing }: AdminRequest): string {
  return method === "GET" || changesNothing
    ? ""
    : "\nThe change may have been made all the same: look before you send it again.";
}

/** @throws UsageError for a name that a URL would read as a step in its path */
function addressOf(origin: string, { path, query = {} }: AdminRequest): URL {
  const url = new URL(`/admin/v1/${pathOf(path)}`, origin);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}
