/**
 * The hop to the pool: signed, bounded in time and in size, its failures told apart.
 *
 * Guarantee: it ends by the deadline; the pool's answer is either understood or a `bad_pool_response`; nothing that
 * the pool says about itself (a refused signature, a stack) reaches the caller; an answer whose bytes are not those that were sent is none.
 */
import { z } from "zod";
import { ERROR_KINDS, type ErrorCode, WarmgateError } from "../../shared/protocol/errors.ts";
import {
  ATTEMPT,
  CONTENT_DIGEST,
  INFERENCE_HEADER_LENGTH,
  POOL_ARTEFACT,
  POOL_LOAD,
  POOL_USAGE,
  SERVER_TIMING,
  TRACEPARENT,
} from "../../shared/protocol/headers.ts";
import type { EdgeSettings } from "../environment.ts";
import { readCapped } from "./body.ts";
import type { Hold } from "./held-bytes.ts";
import { signedAuthorization } from "./sign.ts";

export interface PoolCall {
  readonly method: "GET" | "POST";
  readonly target: string;
  readonly body: Uint8Array;
  /** Byte length of the JSON part when binary tensor data follows it. */
  readonly headerLength?: number | string | undefined;
  readonly tenant: string;
  /** Rows that the tenant may send at once; 0: as many as the model takes. */
  readonly maxRows: number;
  /** What the node may take, in milliseconds. */
  readonly budgetMs: number;
  /** How long is waited for it: a little longer, so that it gives up first and says so. The same unless given. */
  readonly patienceMs?: number;
  /** 1, or 2 for a retry. */
  readonly attempt?: number;
  readonly requestId: string;
  /** "" for what the edge asks on its own account. */
  readonly traceparent: string;
  /** Aborted when the answer is not wanted any more; it then counts as one that has not come. */
  readonly givenUp?: AbortSignal;
  /** What the answer's bytes count for; left out for what is small. */
  readonly hold?: Hold;
  /** Told what the node says of its load, also where it refuses. */
  readonly onLoad?: (load: LoadWord) => void;
}

/** What a node says of its load with each reply to a request. */
export interface LoadWord {
  /** What a request of the default class would wait, in milliseconds, and one of the tenant that was replied to. */
  readonly waitMs: number;
  readonly ownWaitMs: number;
  /** 1 to 512: importances from here on are not wanted, of the one that it falls in its fraction is. */
  readonly admissionLevel: number;
}

export interface PoolAnswer {
  readonly body: Uint8Array;
  readonly headerLength: string | null;
  /** The pool's stages, each name with the prefix `pool-`. */
  readonly serverTiming: string;
  /** What the answer took, for metering. */
  readonly usage: { readonly rows: number; readonly deviceMs: number };
  /** Digest of what made the answer; null where it is none of a model. */
  readonly artefact: string | null;
}

/** The node had not answered when the time was up: it did not even say that it would be late. */
export class SilentNodeError extends WarmgateError {
  constructor() {
    super("deadline_exceeded", "the time budget ran out before the pool answered");
  }
}

const LARGEST_ANSWER = 32 * 1024 * 1024;
const errorBody = z.object({ error: z.string(), code: z.string() });

/**
 * @param origin of the node
 * @throws WarmgateError what the pool refused with, or `pool_unavailable`, `deadline_exceeded`, `bad_pool_response`
 */
export async function forward(
  call: PoolCall,
  origin: string,
  settings: EdgeSettings,
  now: number,
): Promise<PoolAnswer> {
  const { method, target, body, tenant, maxRows, requestId } = call;
  const timeoutMs = Math.max(1, Math.floor(call.budgetMs));
  const headerLength = call.headerLength === undefined ? "" : String(call.headerLength);
  const toSign = { method, target, body, headerLength, tenant, timeoutMs, maxRows, requestId };
  const headers: Record<string, string> = {
    authorization: await signedAuthorization(toSign, settings, now),
    ...(call.traceparent === "" ? {} : { [TRACEPARENT]: call.traceparent }),
    // Compressing between neighbours would only cost the pool time.
    "accept-encoding": "identity",
  };
  if (headerLength !== "") headers[INFERENCE_HEADER_LENGTH] = headerLength;
  if (call.attempt !== undefined && call.attempt > 1) headers[ATTEMPT] = String(call.attempt);
  const late = AbortSignal.timeout(Math.max(1, Math.floor(call.patienceMs ?? call.budgetMs)));
  const signal = call.givenUp ? AbortSignal.any([late, call.givenUp]) : late;
  let response: Response;
  try {
    response = await fetch(origin + target, {
      method,
      headers,
      redirect: "manual",
      signal,
      ...(method === "GET" ? {} : { body }),
    });
  } catch (cause) {
    if (signal.aborted) throw new SilentNodeError();
    throw new WarmgateError("pool_unavailable", "the pool cannot be reached", { retryAfterSeconds: 1, cause });
  }
  const load = readLoad(response.headers.get(POOL_LOAD));
  if (load) call.onLoad?.(load);
  let answer: Uint8Array;
  try {
    answer = await readCapped(
      response,
      LARGEST_ANSWER,
      undefined,
      () => new WarmgateError("bad_pool_response", "the pool's answer is too large"),
      call.hold,
    );
  } catch (cause) {
    if (signal.aborted) throw new SilentNodeError();
    if (cause instanceof WarmgateError) throw cause;
    throw new WarmgateError("bad_pool_response", "the pool's answer was cut off", { cause });
  }
  if (response.status !== 200) throw refusal(response, answer);
  if (!(await isWhole(answer, response.headers.get(CONTENT_DIGEST)))) {
    throw new WarmgateError("bad_pool_response", "the pool's answer was damaged on its way");
  }
  return {
    body: answer,
    headerLength: response.headers.get(INFERENCE_HEADER_LENGTH),
    serverTiming: prefixed(response.headers.get(SERVER_TIMING)),
    usage: readUsage(response.headers.get(POOL_USAGE)),
    artefact: response.headers.get(POOL_ARTEFACT),
  };
}

/** Whether the bytes are those that were sent, as far as that was said. */
async function isWhole(body: Uint8Array, digest: string | null): Promise<boolean> {
  if (digest === null) return true;
  const own = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return digest === `sha-256=:${btoa(String.fromCharCode(...own))}:`;
}

/** The pool's refusal as the caller sees it; one that is about us, not about the request, is our failure. */
function refusal(response: Response, body: Uint8Array): WarmgateError {
  const parsed = errorBody.safeParse(parseJson(body));
  if (!parsed.success || !isErrorCode(parsed.data.code) || ERROR_KINDS[parsed.data.code].status !== response.status) {
    return new WarmgateError("bad_pool_response", "the pool's answer was not understood", {
      cause: `status ${response.status}`,
    });
  }
  const { code, error } = parsed.data;
  if (code === "invalid_signature") {
    return new WarmgateError("bad_pool_response", "the pool does not take this edge's requests", {
      cause: "the pool refused our signature: do POOL_SIGNING_KEYS and the clocks of both sides agree?",
    });
  }
  const retryAfter = response.headers.get("retry-after");
  const given = retryAfter !== null && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) : undefined;
  // Every 503 says when to come back, also where the node does not.
  const seconds = given ?? (response.status === 503 ? 1 : undefined);
  return new WarmgateError(code, error, seconds === undefined ? {} : { retryAfterSeconds: seconds });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_KINDS, code);
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function readLoad(header: string | null): LoadWord | undefined {
  const match = /^wait=(\d{1,9}\.\d);level=(\d{1,3}(?:\.\d{1,2})?);slots=\d{1,4};own=(\d{1,9}\.\d)$/.exec(header ?? "");
  if (!match) return undefined;
  return { waitMs: Number(match[1]), admissionLevel: Number(match[2]), ownWaitMs: Number(match[3]) };
}

function readUsage(header: string | null): PoolAnswer["usage"] {
  const match = /^rows=(\d{1,7});device=(\d{1,9}(?:\.\d{1,6})?)$/.exec(header ?? "");
  return { rows: Number(match?.[1] ?? 0), deviceMs: Number(match?.[2] ?? 0) };
}

function prefixed(serverTiming: string | null): string {
  if (!serverTiming || !/^[\w;=., -]+$/.test(serverTiming)) return "";
  return serverTiming
    .split(", ")
    .map((stage) => `pool-${stage}`)
    .join(", ");
}
