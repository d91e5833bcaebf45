/**
 * What becomes of a prediction that was let in: decoded, routed, looked up in the cache, else made by a node of the pool; replied, counted,
 * and where a rollout or a shadow wants to know, observed.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { TIMEOUT_MS } from "../../shared/protocol/headers.ts";
import { priorityClass } from "../../shared/protocol/priority.ts";
import { decodeInferenceResponse, encodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceRequest, InferenceResponse } from "../../shared/protocol/tensor.ts";
import { type CacheWish, readCacheWish } from "../cache/cache-control.ts";
import { type BypassReason, type CacheResult, cacheStatus } from "../cache/cache-status.ts";
import { entityTag, matches } from "../cache/entity-tag.ts";
import type { StoredPrediction } from "../cache/stored-prediction.ts";
import type { EdgeSettings } from "../environment.ts";
import { type Cacheable, cacheable, PredictionCache, USUAL_TTL_SECONDS } from "../gate/cache.ts";
import { cappedBudgetMs, inCallersClass, smallestLimit } from "../gate/caller-caps.ts";
import { decode } from "../gate/decode.ts";
import { dispatch, nobody } from "../gate/dispatch.ts";
import type { PoolAnswer } from "../gate/forward.ts";
import type { Principal } from "../gate/identify.ts";
import type { Permit } from "../gate/limit.ts";
import { Meter, type Use } from "../gate/meter.ts";
import { type Observed, observe } from "../gate/observe.ts";
import { poolView } from "../gate/pool-view.ts";
import { type Answer, notModified, reply } from "../gate/reply.ts";
import { type Routed, readRouteAsk, route } from "../gate/route.ts";
import { findRoute } from "../gate/route-directory.ts";
import { routeHeaders } from "../gate/route-headers.ts";
import { inferTarget, toPool } from "../gate/to-pool.ts";
import type { PoolView } from "../pool/pool-view.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import { type Admitted, keepAliveOf } from "./admission.ts";
import { type EdgeContext, executionOf, pathParameter, recordOf } from "./route.ts";

const meter = new Meter();
export const predictions = new PredictionCache();

/** A prediction that somebody may have and asks for, and what it stands for. */
export interface Asked {
  readonly context: EdgeContext;
  readonly settings: EdgeSettings;
  readonly principal: Principal;
  readonly wish: CacheWish;
  /** As the caller named it. */
  readonly name: string;
  readonly view: PoolView;
  readonly routed: Routed;
  readonly maxRows: number;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  /** What it is cached by, or why it is not. */
  readonly cached: Cacheable | BypassReason;
}

/** @throws WarmgateError every refusal of the body, the route, the cache and the pool */
export async function predict(
  context: EdgeContext,
  admitted: Admitted,
  longestMs: number,
  permit: Permit,
): Promise<Response> {
  const record = recordOf(context);
  const asked = await ask(context, admitted, longestMs);
  const { cached, wish, settings, deadline } = asked;
  if (typeof cached === "string") {
    if (wish.onlyIfCached) throw notCached(record);
    return uncached(asked, permit, cached);
  }
  const found = await predictions.find(cached.key, wish, settings.environment, Date.now());
  record.mark("cache");
  if (found) {
    const ttlSeconds = (found.stored.expiresAt - Date.now()) / 1_000;
    return known(asked, permit, cached, found.stored, { kind: "hit", from: found.from, ttlSeconds });
  }
  if (wish.onlyIfCached) throw notCached(record);
  if (wish.noCache || wish.noStore) return made(asked, permit, cached);
  const lead = await predictions.lead(cached.key, wish, (deadline - Date.now()) / 2);
  if (typeof lead !== "function") return known(asked, permit, cached, lead, { kind: "collapsed" });
  try {
    return await made(asked, permit, cached);
  } finally {
    lead();
  }
}

/**
 * Reads what is asked for, and finds out what it stands for.
 *
 * @throws WarmgateError every refusal of the body and the route
 */
export async function ask(
  context: EdgeContext,
  { settings, principal, startedAt }: Admitted,
  longestMs: number,
): Promise<Asked> {
  const record = recordOf(context);
  const { headers } = context.req.raw;
  const name = pathParameter(context, "model");
  const routeAsk = readRouteAsk(headers, context.req.param("version"));
  const caps = { maxBodyBytes: largestBody(settings, principal), timeoutMs: longestMs };
  const { decoded, bytes } = await decode(context.req.raw, principal.tenant, caps, executionOf(context).sent);
  record.bytesIn = bytes;
  const parameters = decoded.kind === "tensors" ? decoded.request.parameters : {};
  const budgetMs = cappedBudgetMs(principal, headers.get(TIMEOUT_MS) ?? undefined, parameters);
  record.mark("decode");

  const keepAlive = keepAliveOf(context);
  const now = Date.now();
  const view = await poolView(settings, context.env, keepAlive, now);
  if (!view) throw nobody();
  const knownRoute = await findRoute(name, context.env, keepAlive, now);
  const { decisions } = record;
  decisions.known = knownRoute;
  const mayAsk = inCallersClass(decoded, principal);
  const routed = await route(name, routeAsk, knownRoute, view, mayAsk, principal, headers);
  decisions.routed = routed;
  decisions.view = view;
  record.routeHeaders = routeHeaders(routed);
  const maxRows = smallestLimit(principal, "maxBatch") ?? 0;
  const scope = routed.route?.cache.scope === "shared" ? "shared" : { tenant: principal.tenant };
  const cached = await cacheable(routed, scope, maxRows);
  if (typeof cached !== "string") decisions.cacheKey = cached.key;
  record.mark("route");
  const wish = readCacheWish(headers.get("cache-control"), headers.get("pragma"));
  const deadline = startedAt + budgetMs;
  return { context, settings, principal, wish, name, view, routed, maxRows, deadline, cached };
}

function notCached(record: RequestRecord): WarmgateError {
  record.cacheStatus = cacheStatus({ kind: "miss", stored: false, refused: true });
  return new WarmgateError("not_cached", "the answer is not in the cache, and only-if-cached was asked for");
}

/** Answered without the pool. */
function known(
  asked: Asked,
  permit: Permit,
  about: Cacheable,
  stored: StoredPrediction,
  result: CacheResult,
): Response {
  const record = recordOf(asked.context);
  record.cacheStatus = cacheStatus(result);
  record.answered = result.kind === "hit" ? "hit" : "collapsed";
  return replyFrom(stored, about, asked, permit, { rows: about.rows, deviceMs: 0, cacheHits: 1 });
}

/** Answered by the pool, and kept where that may be. */
async function made(asked: Asked, permit: Permit, about: Cacheable): Promise<Response> {
  const { context, settings, wish, routed } = asked;
  const answer = await fromPool(asked);
  const response = decodeInferenceResponse(answer.body, answer.headerLength);
  observe(observed(asked), { response, ms: answer.ms });
  // Filed under what made it: the model may have been replaced since the edge last looked.
  const mayKeep = !wish.noStore && answer.artefact === about.artefact;
  const how = { environment: settings.environment, ttlSeconds: routed.route?.cache.ttlSeconds ?? USUAL_TTL_SECONDS };
  const kept = mayKeep ? await predictions.keep(about.key, response, how, Date.now(), keepAliveOf(context)) : undefined;
  const stored = kept !== undefined;
  recordOf(context).cacheStatus = cacheStatus(
    wish.noCache || wish.noStore ? { kind: "request", stored } : { kind: "miss", refused: false, stored },
  );
  return replyFrom(kept ?? response, about, asked, permit, { ...answer.usage, cacheHits: 0 });
}

/** Answered by the pool, past the cache. */
async function uncached(asked: Asked, permit: Permit, reason: BypassReason): Promise<Response> {
  const { context, routed, name } = asked;
  const record = recordOf(context);
  const answer = await fromPool(asked);
  record.cacheStatus = cacheStatus({ kind: "bypass", reason });
  let encoded: Answer;
  if (routed.decoded.kind === "tensors") {
    const response = decodeInferenceResponse(answer.body, answer.headerLength);
    observe(observed(asked), { response, ms: answer.ms });
    record.version = response.modelVersion;
    encoded = inCallersForm({ ...response, modelName: name }, routed.decoded.request);
  } else encoded = { body: answer.body, headerLength: answer.headerLength ?? undefined };
  record.mark("encode");
  used(asked, permit, { ...answer.usage, cacheHits: 0 });
  return reply(encoded, record, context.req.raw.headers.get("accept-encoding"));
}

async function fromPool(asked: Asked): Promise<PoolAnswer & { readonly ms: number }> {
  const { context, settings, principal, view, routed, maxRows, deadline } = asked;
  const record = recordOf(context);
  const startedAt = Date.now();
  const call = {
    ...{ method: "POST" as const, target: inferTarget(routed), ...toPool(routed), tenant: principal.tenant, maxRows },
    ...{ deadline, requestId: record.requestId, traceparent: record.trace.traceparent },
    hold: executionOf(context).answered,
    priority: priorityClass(routed.decoded.kind === "tensors" ? routed.decoded.request.parameters : {}),
  };
  try {
    const answer = await dispatch(view, routed, call, settings, record.decisions.trail);
    record.poolTiming = answer.serverTiming;
    record.answered = "pool";
    return { ...answer, ms: Date.now() - startedAt };
  } catch (error) {
    observe(observed(asked), { error, ms: Date.now() - startedAt });
    throw error;
  } finally {
    record.mark("forward");
  }
}

function observed({ context, settings, view, routed, principal }: Asked): Observed {
  return { bindings: context.env, settings, view, routed, tenant: principal.tenant, keepAlive: keepAliveOf(context) };
}

/** Ends the permit as used, and counts the use; once there is an answer in the caller's form, for nobody pays for a refusal. */
function used({ context, principal, name }: Asked, permit: Permit, use: Omit<Use, "tenant" | "model">): void {
  permit.end(true);
  recordOf(context).standings = permit.standings();
  count(context, { tenant: principal.tenant, model: name, ...use });
}

/** The outputs in the caller's form and order, or the word that it has them already. */
function replyFrom(
  response: InferenceResponse & { readonly contentDigest?: string },
  about: Cacheable,
  asked: Asked,
  permit: Permit,
  use: Omit<Use, "tenant" | "model">,
): Response {
  const { context, name } = asked;
  const record = recordOf(context);
  const { headers } = context.req.raw;
  record.version = response.modelVersion;
  const { answer, tag } = inCallersWords(response, about, name);
  record.entityTag = tag;
  record.mark("encode");
  used(asked, permit, use);
  if (tag !== "" && matches(headers.get("if-none-match"), tag)) return notModified(record);
  return reply(answer, record, headers.get("accept-encoding"));
}

interface CallersWords {
  readonly answer: Answer;
  /** Names its bytes; "" for what is not kept. */
  readonly tag: string;
}

/** The form that an answer was last asked for in: most who ask again ask for the same. */
const lastWords = new WeakMap<object, CallersWords & { readonly about: Cacheable; readonly name: string }>();

function inCallersWords(
  response: InferenceResponse & { readonly contentDigest?: string },
  about: Cacheable,
  name: string,
): CallersWords {
  const before = lastWords.get(response);
  if (before?.about === about && before.name === name) return before;
  const { modelVersion, outputs, contentDigest } = response;
  const { request, outputs: names } = about;
  const ordered = names.flatMap((wanted) => outputs.find((output) => output.name === wanted) ?? []);
  const answer = inCallersForm({ modelName: name, modelVersion, outputs: ordered }, request);
  if (contentDigest === undefined) return { answer, tag: "" };
  const form = names.map((wanted) => ({
    name: wanted,
    binary: request.outputs?.find((output) => output.name === wanted)?.binary ?? request.binaryOutput,
  }));
  const tag = entityTag({ contentDigest, modelName: name, id: request.id, outputs: form });
  const words = { answer, tag, about, name };
  lastWords.set(response, words);
  return words;
}

/** Tells the tenant's ledger, once the reply is on its way. */
function count(context: EdgeContext, use: Use): void {
  const ledger = () => context.env.USAGE_LEDGER.getByName(use.tenant);
  meter.count(use, ledger, Date.now(), keepAliveOf(context), (requests) =>
    console.error(JSON.stringify({ level: "error", msg: "usage was lost", tenant: use.tenant, requests })),
  );
}

function largestBody({ maxBodyBytes }: EdgeSettings, principal: Principal): number {
  return Math.min(maxBodyBytes, smallestLimit(principal, "maxBodyBytes") ?? maxBodyBytes);
}

function inCallersForm(response: InferenceResponse, request: InferenceRequest): Answer {
  const id = request.id === undefined ? {} : { id: request.id };
  return encodeInferenceResponse({ ...response, ...id }, request);
}
