import { type RouteConfig, z } from "@hono/zod-openapi";
import { checkModelName } from "../../shared/protocol/model-name.ts";
import { forward } from "../gate/forward.ts";
import { reply } from "../gate/reply.ts";
import { admit, withinLimits } from "./admission.ts";
import { addRoute, type EdgeApp, type EdgeContext, pathParameter } from "./route.ts";
import { json, limitRefusals, modelMetadataSchema, modelPath, refusals, versionPath } from "./schemas.ts";

/** What is known of a model is asked of the pool, which alone knows which versions are ready. */
const BUDGET_MS = 5_000;

const KINDS = [
  { suffix: "", summary: "What a model takes and gives", schema: modelMetadataSchema },
  {
    suffix: "/ready",
    summary: "Whether a model can be used now",
    schema: z.object({ name: z.string(), ready: z.boolean() }).openapi("ModelReady"),
  },
  {
    suffix: "/config",
    summary: "How a model is served: largest batch, provider, digest",
    schema: z.looseObject({ name: z.string(), platform: z.string(), max_batch_size: z.int() }).openapi("ModelConfig"),
  },
] as const;

export function addModelRoutes(app: EdgeApp): void {
  for (const { suffix, summary, schema } of KINDS) {
    const definition: Omit<RouteConfig, "path"> = {
      method: "get",
      tags: ["Models"],
      security: [{ apiKey: [] }],
      summary,
      responses: {
        200: json(schema, summary),
        ...refusals(
          ...(["invalid_model_name", "unauthenticated", "forbidden", "model_not_found", "version_not_found"] as const),
          ...limitRefusals,
          ...(["bad_pool_response", "model_not_ready", "pool_unavailable", "deadline_exceeded"] as const),
        ),
      },
    };
    addRoute(app, { ...definition, path: `/v2/models/{model}${suffix}`, request: { params: modelPath } }, (context) =>
      describe(context, suffix),
    );
    addRoute(
      app,
      { ...definition, path: `/v2/models/{model}/versions/{version}${suffix}`, request: { params: versionPath } },
      (context) => describe(context, suffix),
    );
  }
}

async function describe(context: EdgeContext, suffix: string): Promise<Response> {
  const record = context.get("record");
  const model = pathParameter(context, "model");
  const version = context.req.param("version");
  checkModelName(model, version);
  const { settings, principal } = await admit(context, model);
  record.version = version;
  record.mark("identify");
  // It counts for the rate, as any call that reaches the pool, but no quota is used up by asking what there is.
  const answer = await withinLimits(context, principal, { units: 1, budgetMs: BUDGET_MS }, () =>
    forward(
      {
        method: "GET",
        target: `/v2/models/${model}${version === undefined ? "" : `/versions/${version}`}${suffix}`,
        body: new Uint8Array(0),
        tenant: principal.tenant,
        maxRows: 0,
        budgetMs: BUDGET_MS,
        requestId: record.requestId,
        traceparent: record.trace.traceparent,
      },
      settings,
      Date.now(),
    ),
  );
  record.mark("forward");
  return reply({ body: answer.body }, record);
}
