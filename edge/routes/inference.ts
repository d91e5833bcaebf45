import type { RouteConfig } from "@hono/zod-openapi";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { TIMEOUT_MS } from "../../shared/protocol/headers.ts";
import { checkModelName } from "../../shared/protocol/model-name.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import { decodeInferenceResponse, encodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceRequest, InferenceResponse } from "../../shared/protocol/tensor.ts";
import { timeBudget } from "../../shared/protocol/time-budget.ts";
import { readCacheWish } from "../cache/cache-control.ts";
import { cacheStatus } from "../cache/cache-status.ts";
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
import { type Admitted, admit, withinLimits } from "./admission.ts";
import { addRoute, type EdgeApp, type EdgeContext, pathParameter } from "./route.ts";
import {
  inferenceRequestSchema,
  inferenceResponseSchema,
  limitRefusals,
  modelPath,
  refusals,
  versionPath,
} from "./schemas.ts";

const meter = new Meter();
const predictions = new PredictionCache();

/** A held-out image of a seven, 8 x 8 grey values from 0 to 16. */
const EXAMPLE = {
  inputs: [
    {
      name: "pixels",
      shape: [1, 64],
      datatype: "FP32",
      data: [
        0, 0, 2, 15, 16, 16, 13, 0, 0, 0, 4, 11, 7, 15, 11, 0, 0, 0, 0, 0, 4, 15, 2, 0, 0, 0, 5, 12, 15, 16, 14, 0, 0,
        0, 8, 15, 15, 8, 1, 0, 0, 0, 0, 12, 9, 0, 0, 0, 0, 0, 0, 15, 4, 0, 0, 0, 0, 0, 3, 14, 0, 0, 0, 0,
      ],
    },
  ],
};

const definition: Omit<RouteConfig, "path"> = {
  method: "post",
  tags: ["Inference"],
  security: [{ apiKey: [] }],
  responses: {
    200: {
      description:
        "The outputs. As application/octet-stream with the header Inference-Header-Content-Length when any output was asked for in binary form.",
      content: {
        "application/json": { schema: inferenceResponseSchema },
        "application/octet-stream": { schema: { type: "string", format: "binary" } },
      },
    },
    ...refusals(
      ...([
        "malformed_json",
        "invalid_request",
        "invalid_shape",
        "invalid_data",
        "non_finite",
        "binary_required",
      ] as const),
      ...([
        "input_mismatch",
        "unknown_output",
        "batch_too_large",
        "invalid_model_name",
        "invalid_header_length",
      ] as const),
      ...(["unauthenticated", "forbidden", "model_not_found", "version_not_found", "body_too_large"] as const),
      ...limitRefusals,
      ...(["request_timeout"] as const),
      ...(["unsupported_media_type", "unsupported_encoding", "internal", "model_failed", "non_finite_output"] as const),
      ...(["not_implemented", "bad_pool_response", "model_not_ready", "overloaded", "pool_unavailable"] as const),
      ...(["deadline_unreachable", "deadline_exceeded", "not_cached"] as const),
    ),
    304: {
      description:
        "If-None-Match names the answer's ETag: the caller holds it already. Only where the cache has a part.",
    },
  },
};

const body = {
  description:
    "JSON, or JSON followed by binary tensor data (then Inference-Header-Content-Length tells the length of the JSON). " +
    "gzip and deflate are accepted as Content-Encoding.",
  required: true,
  content: {
    "application/json": { schema: inferenceRequestSchema, example: EXAMPLE },
    "application/octet-stream": { schema: { type: "string", format: "binary" } },
  },
} as const;

export function addInferenceRoutes(app: EdgeApp): void {
  addRoute(
    app,
    {
      ...definition,
      path: "/v2/models/{model}/infer",
      summary: "Run a model; the server chooses the version",
      request: { params: modelPath, body },
    },
    infer,
  );
  addRoute(
    app,
    {
      ...definition,
      path: "/v2/models/{model}/versions/{version}/infer",
      summary: "Run a given version of a model",
      request: { params: versionPath, body },
    },
    infer,
  );
}

/** One prediction's way through the edge: identify, limit, decode, cache, forward, reply, meter. */
async function infer(context: EdgeContext): Promise<Response> {
  const record = context.get("record");
  const { raw: request } = context.req;
  const model = pathParameter(context, "model");
  const version = context.req.param("version");
  checkModelName(model, version);
  const admitted = await admit(context, model);
  record.mark("identify");
  const units = admitted.principal.configuration.costs[model] ?? 1;
  // What the body says can only shorten it, and the body has not been read.
  const budgetMs = timeBudget(request.headers.get(TIMEOUT_MS) ?? undefined, {});
  return withinLimits(context, admitted.principal, { units, budgetMs }, (permit) =>
    predict(context, admitted, budgetMs, permit),
  );
}

async function predict(
  context: EdgeContext,
  { settings, principal, startedAt }: Admitted,
  longestMs: number,
  permit: Permit,
): Promise<Response> {
  const record = context.get("record");
  const { raw: request } = context.req;
  const model = pathParameter(context, "model");
  const version = context.req.param("version");
  const { decoded, bytes } = await decode(request, largestBody(settings, principal), longestMs);
  record.bytesIn = bytes;
  const parameters = decoded.kind === "tensors" ? decoded.request.parameters : {};
  const budgetMs = timeBudget(request.headers.get(TIMEOUT_MS) ?? undefined, parameters);
  record.mark("decode");

  const { environment } = settings;
  const maxRows = smallest(principal, "maxBatch") ?? 0;
  const keepAlive = (pending: Promise<unknown>) => context.executionCtx.waitUntil(pending);
  const view = await poolView(settings, keepAlive, Date.now());
  const wish = readCacheWish(request.headers.get("cache-control"), request.headers.get("pragma"));
  const cached = await cacheable(decoded, view?.find(model, version), principal.tenant, maxRows);
  const answerKnown = (stored: StoredPrediction, about: Cacheable) => {
    permit.end(true);
    record.standings = permit.standings();
    count(context, { tenant: principal.tenant, model, rows: about.rows, deviceMs: 0, cacheHits: 1 });
    return replyFrom(stored, about, context);
  };
  const found =
    typeof cached === "string" ? undefined : await predictions.find(cached.key, wish, environment, Date.now());
  record.mark("cache");
  if (found && typeof cached !== "string") {
    const { stored, from } = found;
    const ttlSeconds = (stored.expiresAt - Date.now()) / 1_000;
    record.cacheStatus = cacheStatus({ kind: "hit", from, ttlSeconds });
    return answerKnown(stored, cached);
  }
  if (wish.onlyIfCached) {
    record.cacheStatus = cacheStatus({ kind: "miss", stored: false, refused: true });
    throw new WarmgateError("not_cached", "the answer is not in the cache, and only-if-cached was asked for");
  }

  const fromPool = async (): Promise<Response> => {
    const message = toPool(decoded);
    const now = Date.now();
    const answer = await forward(
      {
        method: "POST",
        target: `/v2/models/${model}${version === undefined ? "" : `/versions/${version}`}/infer`,
        ...message,
        tenant: principal.tenant,
        maxRows,
        budgetMs: budgetMs - (now - startedAt),
        requestId: record.requestId,
        traceparent: record.trace.traceparent,
      },
      settings,
      now,
    );
    record.poolTiming = answer.serverTiming;
    record.mark("forward");
    permit.end(true);
    record.standings = permit.standings();
    count(context, { tenant: principal.tenant, model, ...answer.usage, cacheHits: 0 });
    if (typeof cached === "string") {
      record.cacheStatus = cacheStatus({ kind: "bypass", reason: cached });
      const plain = decoded.kind === "raw" ? asItCame(answer) : inCallersForm(answer, decoded.request, record);
      record.mark("encode");
      return reply(plain, record, request.headers.get("accept-encoding"));
    }
    const response = decodeInferenceResponse(answer.body, answer.headerLength);
    // Filed under what made it: the model may have been replaced since the edge last looked.
    const mayKeep = !wish.noStore && answer.artefact === cached.artefact;
    const kept = mayKeep ? await predictions.keep(cached.key, response, environment, Date.now(), keepAlive) : undefined;
    const isNew = { stored: kept !== undefined };
    record.cacheStatus = cacheStatus(
      wish.noCache || wish.noStore ? { kind: "request", ...isNew } : { kind: "miss", refused: false, ...isNew },
    );
    return replyFrom(kept ?? response, cached, context);
  };
  if (typeof cached === "string" || wish.noCache || wish.noStore) return fromPool();
  const lead = await predictions.lead(cached.key, wish, (budgetMs - (Date.now() - startedAt)) / 2);
  if (typeof lead !== "function") {
    record.cacheStatus = cacheStatus({ kind: "collapsed" });
    return answerKnown(lead, cached);
  }
  try {
    return await fromPool();
  } finally {
    lead();
  }
}

/** The outputs in the caller's form and order, or the word that it has them already. */
function replyFrom(
  { modelName, modelVersion, outputs, ...rest }: InferenceResponse & { readonly contentDigest?: string },
  { request: asked, outputs: names }: Cacheable,
  context: EdgeContext,
): Response {
  const record = context.get("record");
  const { headers } = context.req.raw;
  record.version = modelVersion;
  const ordered = names.flatMap((name) => outputs.find((output) => output.name === name) ?? []);
  const id = asked.id === undefined ? {} : { id: asked.id };
  const encoded = encodeInferenceResponse({ modelName, modelVersion, ...id, outputs: ordered }, asked);
  if (rest.contentDigest !== undefined) {
    const form = names.map((name) => ({
      name,
      binary: asked.outputs?.find((output) => output.name === name)?.binary ?? asked.binaryOutput,
    }));
    const { contentDigest } = rest;
    record.entityTag = entityTag({ contentDigest, modelName, id: asked.id, outputs: form });
  }
  record.mark("encode");
  if (record.entityTag !== "" && matches(headers.get("if-none-match"), record.entityTag)) return notModified(record);
  return reply(encoded, record, headers.get("accept-encoding"));
}

/** Tells the tenant's ledger, once the reply is on its way. */
function count(context: EdgeContext, use: Use): void {
  const ledger = () => context.env.USAGE_LEDGER.getByName(use.tenant);
  const keepAlive = (pending: Promise<void>) => context.executionCtx.waitUntil(pending);
  meter.count(use, ledger, Date.now(), keepAlive, (requests) =>
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
