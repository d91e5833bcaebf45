/**
 * The dry run: what would become of a request, and why, without running a model. It goes the same way as a prediction, by the same
 * functions, up to the node; the cache is looked at and nothing is put into it.
 */
import { z } from "@hono/zod-openapi";
import type { LimitStanding } from "../../shared/control/lease-messages.ts";
import { TIMEOUT_MS } from "../../shared/protocol/headers.ts";
import { checkModelName } from "../../shared/protocol/model-name.ts";
import { cacheStatus } from "../cache/cache-status.ts";
import { predictions } from "../gate/cache.ts";
import { cappedBudgetMs } from "../gate/caller-caps.ts";
import { nodeFor } from "../gate/dispatch.ts";
import { requireScope } from "../gate/identify.ts";
import { reply } from "../gate/reply.ts";
import { explanation } from "../telemetry/explanation.ts";
import { type Admitted, admit, withinLimits } from "./admission.ts";
import { ask } from "./asked.ts";
import { addRoute, type EdgeApp, type EdgeContext, pathParameter, recordOf } from "./route.ts";
import { inferenceRequestSchema, json, limitRefusals, modelPath, refusals, versionPath } from "./schemas.ts";

const ruleSchema = z.object({
  kind: z.enum(["pin", "newest", "rule", "experiment", "split"]),
  rule: z.int().optional(),
  experiment: z.string().optional(),
  arm: z.string().optional(),
});
const name = z.string().nullable();

export const explanationSchema = z
  .object({
    route: z
      .object({ name: z.string(), revision: z.int(), contract: z.int().nullable() })
      .nullable()
      .openapi({ description: "Null for a model that has no route: then the newest version answers." }),
    version: z
      .object({
        ...{ model: z.string(), version: name, rule: ruleSchema.nullable(), artefact: name },
        available: z.array(z.string()),
      })
      .nullable(),
    node: z
      .object({
        ...{ chosen: z.string(), hardware: z.string(), provider: z.string(), asked: name, capable: z.int() },
        beyond_shard: z.boolean(),
        breaker: z.enum(["closed", "open", "half_open"]),
        ...{ shard: z.array(z.string()), ejected: z.array(z.string()) },
        predicted_wait_ms: z.record(z.string(), z.number()),
      })
      .nullable(),
    cache: z.object({ key: name, status: name }),
    limits: z.array(z.object({ kind: z.string(), account: z.string(), quota: z.number(), remaining: z.number() })),
    attempts: z.array(z.object({ node: z.string(), outcome: z.string(), ms: z.number() })),
    shed: z
      .object({ decision: z.string(), by: z.string(), code: z.string().optional(), reason: z.string().optional() })
      .nullable(),
    fallback: z.array(z.string()).openapi({ description: "The steps that are tried where the chosen version fails." }),
    degraded: name.openapi({ description: "The step of the route's fallback chain that answered." }),
  })
  .openapi("Explanation");

export function addExplainRoutes(app: EdgeApp): void {
  const definition = {
    method: "post" as const,
    tags: ["Inference"],
    security: [{ apiKey: [] }],
    responses: {
      200: json(explanationSchema, "What would be done, and why."),
      ...refusals(
        ...(["malformed_json", "invalid_request", "input_mismatch", "unknown_output", "unauthenticated"] as const),
        ...([
          "forbidden",
          "contract_not_found",
          "model_not_ready",
          "pool_unavailable",
          "hardware_unavailable",
        ] as const),
        ...limitRefusals,
      ),
    },
  };
  const body = { required: true, content: { "application/json": { schema: inferenceRequestSchema } } };
  const summary =
    "Dry run: which version, node and cache entry would answer a request, and why; needs the scope `explain`";
  addRoute(
    app,
    { ...definition, summary, path: "/v2/models/{model}/explain", request: { params: modelPath, body } },
    explain,
  );
  addRoute(
    app,
    {
      ...{ ...definition, summary: "Dry run of a request to a given version; needs the scope `explain`" },
      ...{ path: "/v2/models/{model}/versions/{version}/explain", request: { params: versionPath, body } },
    },
    explain,
  );
}

async function explain(context: EdgeContext): Promise<Response> {
  const record = recordOf(context);
  checkModelName(pathParameter(context, "model"), context.req.param("version"));
  const admitted = await admit(context, pathParameter(context, "model"));
  requireScope(admitted.principal, "explain");
  record.mark("identify");
  const budgetMs = cappedBudgetMs(admitted.principal, context.req.header(TIMEOUT_MS), {});
  // It counts for the rate; no quota is used up by what runs no model.
  return withinLimits(context, admitted.principal, { units: 1, budgetMs }, () =>
    dryRun(context, admitted, budgetMs, record.standings),
  );
}

/**
 * @param standings where the limits stand of whom the request would be from
 * @throws WarmgateError as the request would be refused with before a model was run
 */
export async function dryRun(
  context: EdgeContext,
  admitted: Admitted,
  budgetMs: number,
  standings: readonly LimitStanding[],
): Promise<Response> {
  const record = recordOf(context);
  const { cached, wish, settings, view, routed, principal } = await ask(context, admitted, budgetMs);
  const now = Date.now();
  if (typeof cached === "string") record.cacheStatus = cacheStatus({ kind: "bypass", reason: cached });
  else {
    const found = await predictions.find(cached.key, wish, settings.environment, now);
    const ttlSeconds = found ? (found.stored.expiresAt - now) / 1_000 : 0;
    record.cacheStatus = cacheStatus(
      found
        ? { kind: "hit", from: found.from, ttlSeconds }
        : { kind: "miss", stored: false, refused: wish.onlyIfCached },
    );
  }
  nodeFor(view, routed, principal.tenant, record.decisions.trail, now);
  const { decisions, cacheStatus: status, code } = record;
  const explained = { decisions, cacheStatus: status, code, standings };
  const body = new TextEncoder().encode(JSON.stringify(explanation(explained)));
  return reply({ body }, record);
}
