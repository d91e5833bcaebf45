import { z } from "@hono/zod-openapi";
import packageJson from "../../package.json";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { readSettings } from "../environment.ts";
import { BoundedMemo } from "../gate/bounded-memo.ts";
import { consult } from "../gate/dispatch.ts";
import { poolView } from "../gate/pool-view.ts";
import { reply } from "../gate/reply.ts";
import { keepAliveOf } from "./admission.ts";
import { addRoute, type EdgeApp, type EdgeContext, recordOf } from "./route.ts";
import { json, refusals, serverMetadataSchema } from "./schemas.ts";

/** What `GET /v2` advertises: only what the edge serves. Clients decide by it what they may call. */
const EXTENSIONS = ["binary_tensor_data", "model_configuration", "schedule_policy"];
const READY_BUDGET_MS = 1_000;
const READY_MEMO_MS = 1_000;
/** Probes come in swarms; one of them a second asks the pool. */
const readiness = new BoundedMemo<boolean>(4);

const liveSchema = z.object({ live: z.boolean() }).openapi("Live");
const readySchema = z.object({ ready: z.boolean() }).openapi("Ready");

export function addHealthRoutes(app: EdgeApp): void {
  for (const path of ["/v2/health/live", "/healthz"]) {
    const config = { method: "get" as const, path, tags: ["Health"], summary: "Whether the edge runs" };
    addRoute(app, { ...config, responses: { 200: json(liveSchema, "It runs.") } }, (context) =>
      answer(context, { live: true }),
    );
  }
  for (const path of ["/v2/health/ready", "/readyz"]) {
    const config = { method: "get" as const, path, tags: ["Health"], summary: "Whether predictions are answered" };
    const responses = { 200: json(readySchema, "They are."), ...refusals("model_not_ready", "pool_unavailable") };
    addRoute(app, { ...config, responses }, ready);
  }
  for (const path of ["/v2", "/v2/"]) {
    const config = { method: "get" as const, path, tags: ["Health"], summary: "What this server is and serves" };
    addRoute(app, { ...config, responses: { 200: json(serverMetadataSchema, "The server.") } }, (context) =>
      answer(context, { name: packageJson.name, version: packageJson.version, extensions: EXTENSIONS }),
    );
  }
}

function answer(context: EdgeContext, value: unknown): Response {
  return reply({ body: new TextEncoder().encode(JSON.stringify(value)) }, recordOf(context));
}

async function ready(context: EdgeContext): Promise<Response> {
  const settings = await readSettings(context.env);
  const record = recordOf(context);
  const now = Date.now();
  let isReady = readiness.get(settings.environment, now);
  if (isReady === undefined) {
    const view = await poolView(settings, context.env, keepAliveOf(context), now);
    const call = {
      ...{ method: "GET" as const, target: "/v2/health/ready", body: new Uint8Array(0), tenant: "", maxRows: 0 },
      ...{ budgetMs: READY_BUDGET_MS, requestId: record.requestId, traceparent: record.trace.traceparent },
    };
    const anyNode = { capability: undefined, hardware: null };
    isReady =
      view !== undefined &&
      (await consult(view, anyNode, call, settings, record.decisions.trail).then(
        () => true,
        () => false,
      ));
    // Only good news is kept: the first probe after a start must not be told what an earlier one saw.
    if (isReady) readiness.set(settings.environment, true, now + READY_MEMO_MS);
  }
  if (!isReady) throw new WarmgateError("pool_unavailable", "the pool is not ready", { retryAfterSeconds: 1 });
  return answer(context, { ready: true });
}
