/**
 * The pool's own port over HTTP: the model repository extension, and what the pool says of itself and of its models.
 *
 * Promises: each request is signed as the edge signs its own; every answer is checked before it is used; one that is too slow
 * or too large ends in an error; redirects are not followed.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { signRequest } from "../../../gpu-pool/announce/sign-request.ts";
import { Refused, Unreachable } from "../admin/failure.ts";
import { plain } from "../admin/table.ts";
import { AnswerTooLarge, parseJson, pathOf, readText } from "../answer-text.ts";
import type { PoolAddress } from "./pool-address.ts";

export interface PoolRequest {
  readonly method?: "GET" | "POST";
  /** Segments of the path, as they are named. */
  readonly path: readonly string[];
  /** How long the answer may take, in milliseconds. */
  readonly limitMs?: number;
}

const USUAL_LIMIT_MS = 10_000;
/** What a signature can say of a request's time; loading a model has no such end. */
const LONGEST_SIGNED_MS = 99_999;
const LARGEST_ANSWER = 16 * 1024 * 1024;
const errorSchema = z.object({ error: z.string(), code: z.string(), request_id: z.string().optional() });
const causeSchema = z.object({ cause: z.object({ code: z.string() }) });

export class PoolClient {
  readonly #address: PoolAddress;

  constructor(address: PoolAddress) {
    this.#address = address;
  }

  /**
   * @throws Refused with the pool's code when it said no
   * @throws Unreachable when no answer came, or one that is not a pool's
   */
  async ask<Value>(schema: z.ZodType<Value>, request: PoolRequest): Promise<Value> {
    const { response, text } = await this.#send(request);
    const content = parseJson(text);
    if (!response.ok) throw this.#refusal(response.status, content);
    const parsed = schema.safeParse(content);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw this.#strange(`an answer that is not understood (${issue?.path.join(".") || "body"}: ${issue?.message})`);
  }

  async #send({ method = "GET", path, limitMs = USUAL_LIMIT_MS }: PoolRequest) {
    const { origin, key } = this.#address;
    const target = `/${pathOf(path)}`;
    const headers: Record<string, string> = { accept: "application/json", "user-agent": "warmgate-cli" };
    if (key) {
      const timeoutMs = Math.min(limitMs, LONGEST_SIGNED_MS);
      const unsigned = {
        method,
        target,
        headerLength: "",
        body: new Uint8Array(0),
        timeoutMs,
        requestId: randomUUID(),
      };
      headers.authorization = signRequest(key, unsigned);
    }
    try {
      const signal = AbortSignal.timeout(limitMs);
      const response = await fetch(`${origin}${target}`, { method, headers, redirect: "manual", signal });
      return { response, text: await readText(response, LARGEST_ANSWER) };
    } catch (error) {
      throw this.#silent(error, limitMs);
    }
  }

  #refusal(status: number, content: unknown): Refused | Unreachable {
    const parsed = errorSchema.safeParse(content);
    if (!parsed.success) return this.#strange(`status ${status} and no reason`);
    const { error, code, request_id: requestId } = parsed.data;
    const advice = code === "invalid_signature" ? this.#address.whenRefused : undefined;
    return new Refused(plain(error), plain(code), requestId === undefined ? undefined : plain(requestId), advice);
  }

  #silent(error: unknown, limitMs: number): Unreachable {
    if (error instanceof AnswerTooLarge) return this.#strange("an answer that is far too large");
    const { origin, whenSilent } = this.#address;
    const isSlow = error instanceof Error && error.name === "TimeoutError";
    const code = causeSchema.safeParse(error).data?.cause.code ?? "no reason given";
    const reason = isSlow
      ? `no answer within ${limitMs / 1000} s`
      : code.replace("ECONNREFUSED", "nothing listens there");
    return new Unreachable(`${origin} cannot be reached: ${reason}. ${whenSilent}`);
  }

  #strange(what: string): Unreachable {
    return new Unreachable(
      `${this.#address.origin} answered with ${what}. Is that a pool of Warmgate, and of this version?`,
    );
  }
}
