/**
 * What becomes of a prediction that was let in: decoded, routed, looked up in the cache, else made by a node of the pool; replied, counted,
 * and where a rollout or a shadow wants to know, observed. Where all of it fails, its route's fallback chain has the last word (`degraded.ts`).
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { InferenceResponse } from "../../shared/protocol/tensor.ts";
import { type BypassReason, type CacheResult, cacheStatus } from "../cache/cache-status.ts";
import type { StoredPrediction } from "../cache/stored-prediction.ts";
import { type Cacheable, predictions, USUAL_TTL_SECONDS } from "../gate/cache.ts";
import { dispatch } from "../gate/dispatch.ts";
import type { PoolAnswer } from "../gate/forward.ts";
import type { Permit } from "../gate/limit.ts";
import { type Observed, observe } from "../gate/observe.ts";
import { readAnswer } from "../gate/read-answer.ts";
import { type Answer, reply } from "../gate/reply.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import { type Admitted, keepAliveOf } from "./admission.ts";
import { type Asked, ask, sendingOf } from "./asked.ts";
import { degraded } from "./degraded.ts";
import { inCallersForm, replyFrom, used } from "./prediction-reply.ts";
import { type EdgeContext, recordOf } from "./route.ts";

/** @throws WarmgateError every refusal of the body, the route, the cache and the pool */
export async function predict(
  context: EdgeContext,
  admitted: Admitted,
  longestMs: number,
  permit: Permit,
): Promise<Response> {
  const asked = await ask(context, admitted, longestMs);
  try {
    return await answer(asked, permit);
  } catch (error) {
    const reply = await degraded(asked, permit, error);
    if (!reply) throw error;
    return reply;
  }
}

async function answer(asked: Asked, permit: Permit): Promise<Response> {
  const { context, cached, wish, settings, deadline } = asked;
  const record = recordOf(context);
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
  const { answer, read: response } = await fromPool(asked, (answer) => readAnswer(answer, routed));
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
  const { decoded } = routed;
  const { answer, read: response } = await fromPool(asked, (answer) =>
    decoded.kind === "tensors" ? readAnswer(answer, routed) : undefined,
  );
  record.cacheStatus = cacheStatus({ kind: "bypass", reason });
  let encoded: Answer;
  if (decoded.kind === "tensors" && response) {
    record.version = response.modelVersion;
    encoded = inCallersForm({ ...response, modelName: name }, decoded.request);
  } else encoded = { body: answer.body, headerLength: answer.headerLength ?? undefined };
  record.mark("encode");
  used(asked, permit, { ...answer.usage, cacheHits: 0 });
  return reply(encoded, record, context.req.raw.headers.get("accept-encoding"));
}

/**
 * Has the pool make an answer, and observes what came of it: one that cannot be read is a failure of its version like any other.
 *
 * @param read what the answer is read as; undefined where nobody here can read it
 * @throws WarmgateError as `dispatch`, and what `read` throws
 */
async function fromPool<Read extends InferenceResponse | undefined>(
  asked: Asked,
  read: (answer: PoolAnswer) => Read,
): Promise<{ readonly answer: PoolAnswer; readonly read: Read }> {
  const { context, settings, view, routed } = asked;
  const record = recordOf(context);
  const startedAt = Date.now();
  try {
    const answer = await dispatch(view, routed, sendingOf(asked, routed), settings, record.decisions.trail);
    const ms = Date.now() - startedAt;
    record.poolTiming = answer.serverTiming;
    const response = read(answer);
    record.answered = "pool";
    if (response) observe(observed(asked), { response, ms });
    return { answer, read: response };
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
