/** What becomes of a prediction that was let in: decoded, looked up in the cache, else made by the pool; replied, and counted. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { TIMEOUT_MS } from "../../shared/protocol/headers.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import { decodeInferenceResponse, encodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceRequest, InferenceResponse } from "../../shared/protocol/tensor.ts";
import { timeBudget } from "../../shared/protocol/time-budget.ts";
import { type CacheWish, readCacheWish } from "../cache/cache-control.ts";
import { type BypassReason, type CacheResult, cacheStatus } from "../cache/cache-status.ts";
import { entityTag, matches } from "../cache/entity-tag.ts";
import type { StoredPrediction } from "../cache/stored-prediction.ts";
import type { EdgeSettings } from "../environment.ts";
import { type Cacheable, cacheable, PredictionCache } from "../gate/cache.ts";
import { type Decoded, decode } from "../gate/decode.ts";
import { forward, type PoolAnswer } from "../gate/forward.ts";
import type { Principal } from "../gate/identify.ts";
import type { Permit } from "../gate/limit.ts";
import { Meter, type Use } from "../gate/meter.ts";
import { poolView } from "../gate/pool-view.ts";
import { type Answer, notModified, reply } from "../gate/reply.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import type { Admitted } from "./admission.ts";
import { type EdgeContext, pathParameter } from "./route.ts";

const meter = new Meter();
const predictions = new PredictionCache();

/** @throws WarmgateError every refusal of the body, the cache and the pool */
export async function predict(
  context: EdgeContext,
  { settings, principal, startedAt }: Admitted,
  longestMs: number,
  permit: Permit,
): Promise<Response> {
  const record = context.get("record");
  const { headers } = context.req.raw;
  const { decoded, bytes } = await decode(context.req.raw, largestBody(settings, principal), longestMs);
  record.bytesIn = bytes;
  const parameters = decoded.kind === "tensors" ? decoded.request.parameters : {};
  const budgetMs = timeBudget(headers.get(TIMEOUT_MS) ?? undefined, parameters);
  record.mark("decode");

  const model = pathParameter(context, "model");
  const version = context.req.param("version");
  const maxRows = smallest(principal, "maxBatch") ?? 0;
  const wish = readCacheWish(headers.get("cache-control"), headers.get("pragma"));
  const asked: Asked = {
    ...{ context, settings, permit, decoded, wish, model, maxRows },
    ...{ version, tenant: principal.tenant, deadline: startedAt + budgetMs },
  };
  const view = await poolView(settings, keepAliveOf(context), Date.now());
  const cached = await cacheable(decoded, view?.find(model, version), principal.tenant, maxRows);
  if (typeof cached === "string") {
    if (wish.onlyIfCached) throw notCached(record);
    return uncached(asked, cached);
  }
  const found = await predictions.find(cached.key, wish, settings.environment, Date.now());
  record.mark("cache");
  if (found) {
    const ttlSeconds = (found.stored.expiresAt - Date.now()) / 1_000;
    return known(asked, cached, found.stored, { kind: "hit", from: found.from, ttlSeconds });
  }
  if (wish.onlyIfCached) throw notCached(record);
  if (wish.noCache || wish.noStore) return made(asked, cached);
  const lead = await predictions.lead(cached.key, wish, (asked.deadline - Date.now()) / 2);
  if (typeof lead !== "function") return known(asked, cached, lead, { kind: "collapsed" });
  try {
    return await made(asked, cached);
  } finally {
    lead();
  }
}

/** A prediction that somebody may have and asks for. */
interface Asked {
  readonly context: EdgeContext;
  readonly settings: EdgeSettings;
  readonly permit: Permit;
  readonly decoded: Decoded;
  readonly wish: CacheWish;
  readonly tenant: string;
  readonly model: string;
  readonly version: string | undefined;
  readonly maxRows: number;
  /** Milliseconds since 1970. */
  readonly deadline: number;
}

function keepAliveOf(context: EdgeContext): (pending: Promise<unknown>) => void {
  return (pending) => context.executionCtx.waitUntil(pending);
}

function notCached(record: RequestRecord): WarmgateError {
  record.cacheStatus = cacheStatus({ kind: "miss", stored: false, refused: true });
  return new WarmgateError("not_cached", "the answer is not in the cache, and only-if-cached was asked for");
}

/** Answered without the pool. */
function known(asked: Asked, about: Cacheable, stored: StoredPrediction, result: CacheResult): Response {
  asked.context.get("record").cacheStatus = cacheStatus(result);
  return replyFrom(stored, about, asked, { rows: about.rows, deviceMs: 0, cacheHits: 1 });
}

/** Answered by the pool, and kept where that may be. */
async function made(asked: Asked, about: Cacheable): Promise<Response> {
  const { context, settings, wish } = asked;
  const answer = await fromPool(asked);
  const response = decodeInferenceResponse(answer.body, answer.headerLength);
  // Filed under what made it: the model may have been replaced since the edge last looked.
  const mayKeep = !wish.noStore && answer.artefact === about.artefact;
  const kept = mayKeep
    ? await predictions.keep(about.key, response, settings.environment, Date.now(), keepAliveOf(context))
    : undefined;
  const stored = kept !== undefined;
  context.get("record").cacheStatus = cacheStatus(
    wish.noCache || wish.noStore ? { kind: "request", stored } : { kind: "miss", refused: false, stored },
  );
  return replyFrom(kept ?? response, about, asked, { ...answer.usage, cacheHits: 0 });
}

/** Answered by the pool, past the cache. */
async function uncached(asked: Asked, reason: BypassReason): Promise<Response> {
  const { context, decoded } = asked;
  const record = context.get("record");
  const answer = await fromPool(asked);
  record.cacheStatus = cacheStatus({ kind: "bypass", reason });
  const encoded = decoded.kind === "raw" ? asItCame(answer) : inCallersForm(answer, decoded.request, record);
  record.mark("encode");
  used(asked, { ...answer.usage, cacheHits: 0 });
  return reply(encoded, record, context.req.raw.headers.get("accept-encoding"));
}

async function fromPool(asked: Asked): Promise<PoolAnswer> {
  const { context, settings, decoded, tenant, model, version, maxRows, deadline } = asked;
  const record = context.get("record");
  const message = toPool(decoded);
  const now = Date.now();
  const answer = await forward(
    {
      method: "POST",
      target: `/v2/models/${model}${version === undefined ? "" : `/versions/${version}`}/infer`,
      ...message,
      tenant,
      maxRows,
      budgetMs: deadline - now,
      requestId: record.requestId,
      traceparent: record.trace.traceparent,
    },
    settings,
    now,
  );
  record.poolTiming = answer.serverTiming;
  record.mark("forward");
  return answer;
}

/** Ends the permit as used, and counts the use; once there is an answer in the caller's form, for nobody pays for a refusal. */
function used({ context, permit, tenant, model }: Asked, use: Omit<Use, "tenant" | "model">): void {
  permit.end(true);
  context.get("record").standings = permit.standings();
  count(context, { tenant, model, ...use });
}

/** The outputs in the caller's form and order, or the word that it has them already. */
function replyFrom(
  { modelName, modelVersion, outputs, ...rest }: InferenceResponse & { readonly contentDigest?: string },
  { request, outputs: names }: Cacheable,
  asked: Asked,
  use: Omit<Use, "tenant" | "model">,
): Response {
  const { context } = asked;
  const record = context.get("record");
  const { headers } = context.req.raw;
  record.version = modelVersion;
  const ordered = names.flatMap((name) => outputs.find((output) => output.name === name) ?? []);
  const id = request.id === undefined ? {} : { id: request.id };
  const encoded = encodeInferenceResponse({ modelName, modelVersion, ...id, outputs: ordered }, request);
  if (rest.contentDigest !== undefined) {
    const form = names.map((name) => ({
      name,
      binary: request.outputs?.find((output) => output.name === name)?.binary ?? request.binaryOutput,
    }));
    const { contentDigest } = rest;
    record.entityTag = entityTag({ contentDigest, modelName, id: request.id, outputs: form });
  }
  record.mark("encode");
  used(asked, use);
  if (record.entityTag !== "" && matches(headers.get("if-none-match"), record.entityTag)) return notModified(record);
  return reply(encoded, record, headers.get("accept-encoding"));
}

/** Tells the tenant's ledger, once the reply is on its way. */
function count(context: EdgeContext, use: Use): void {
  const ledger = () => context.env.USAGE_LEDGER.getByName(use.tenant);
  meter.count(use, ledger, Date.now(), keepAliveOf(context), (requests) =>
    console.error(JSON.stringify({ level: "error", msg: "usage was lost", tenant: use.tenant, requests })),
  );
}

function largestBody({ maxBodyBytes }: EdgeSettings, principal: Principal): number {
  return Math.min(maxBodyBytes, smallest(principal, "maxBodyBytes") ?? maxBodyBytes);
}

/** The smaller of what the tenant and its key may have; null without a limit. */
function smallest({ limits, keyLimits }: Principal, name: "maxBodyBytes" | "maxBatch"): number | null {
  const [tenants, own] = [limits[name], keyLimits?.[name] ?? null];
  return own === null || tenants === null ? (own ?? tenants) : Math.min(own, tenants);
}

/** What the pool is sent: binary tensors, and every output wanted back as binary. */
function toPool(decoded: Decoded): { readonly body: Uint8Array; readonly headerLength: number | string | undefined } {
  if (decoded.kind === "raw") return { body: decoded.body, headerLength: "0" };
  const { inputs, parameters, outputs } = decoded.request;
  return encodeInferenceRequest({
    inputs,
    parameters,
    binaryOutput: true,
    ...(outputs === undefined ? {} : { outputs: outputs.map(({ name }) => ({ name, binary: true })) }),
  });
}

function asItCame({ body: bytes, headerLength }: PoolAnswer): Answer {
  return { body: bytes, headerLength: headerLength ?? undefined };
}

function inCallersForm(answer: PoolAnswer, asked: InferenceRequest, record: { version: string | undefined }): Answer {
  const response = decodeInferenceResponse(answer.body, answer.headerLength);
  record.version = response.modelVersion;
  return encodeInferenceResponse({ ...response, ...(asked.id === undefined ? {} : { id: asked.id }) }, asked);
}
