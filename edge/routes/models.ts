import { type RouteConfig, z } from "@hono/zod-openapi";
import { checkModelName } from "../../shared/protocol/model-name.ts";
import { type RouteContract, routedVersions } from "../../shared/protocol/model-route.ts";
import { consult, nobody } from "../gate/dispatch.ts";
import { poolView } from "../gate/pool-view.ts";
import { reply } from "../gate/reply.ts";
import { type RouteAsk, readRouteAsk, unknownContract } from "../gate/route.ts";
import { contractOf, findRoute, type KnownRoute } from "../gate/route-directory.ts";
import { routeHeaders } from "../gate/route-headers.ts";
import type { PoolView } from "../pool/pool-view.ts";
import { admit, keepAliveOf, withinLimits } from "./admission.ts";
import { addRoute, type EdgeApp, type EdgeContext, pathParameter, recordOf } from "./route.ts";
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
          ...(["invalid_request", "contract_not_found", "hardware_unavailable"] as const),
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
  const record = recordOf(context);
  const name = pathParameter(context, "model");
  const version = context.req.param("version");
  checkModelName(name, version);
  const ask = readRouteAsk(context.req.raw.headers, version);
  const { settings, principal } = await admit(context, name);
  record.version = version;
  record.mark("identify");
  // It counts for the rate, as any call that reaches the pool, but no quota is used up by asking what there is.
  const answer = await withinLimits(context, principal, { units: 1, budgetMs: BUDGET_MS }, async () => {
    const keepAlive = keepAliveOf(context);
    const now = Date.now();
    const view = await poolView(settings, context.env, keepAlive, now);
    if (!view) throw nobody();
    const described = describedVersion(name, ask, await findRoute(name, context.env, keepAlive, now), view);
    const { model, contract } = described;
    record.routeHeaders = routeHeaders({ contract, choice: undefined });
    const inPath = described.version === undefined ? "" : `/versions/${described.version}`;
    const call = {
      ...{ method: "GET" as const, target: `/v2/models/${model}${inPath}${suffix}`, body: new Uint8Array(0) },
      ...{ tenant: principal.tenant, maxRows: 0, budgetMs: BUDGET_MS },
      ...{ requestId: record.requestId, traceparent: record.trace.traceparent },
    };
    const routed = { capability: view.capability(model, described.version), hardware: ask.hardware ?? null };
    const { body } = await consult(view, routed, call, settings, record.decisions.trail);
    return described.isRoute ? asRouted(body, name, suffix, described, view) : body;
  });
  record.mark("forward");
  return reply({ body: answer }, record);
}

interface Described {
  readonly isRoute: boolean;
  /** In the pool. */
  readonly model: string;
  readonly version: string | undefined;
  /** Undefined where a version is asked about, which is described as it is. */
  readonly contract: RouteContract | undefined;
}

/** @throws WarmgateError `contract_not_found` */
function describedVersion(
  name: string,
  { pin, contract: asked }: RouteAsk,
  { route }: KnownRoute,
  view: PoolView,
): Described {
  if (!route) return { isRoute: false, model: name, version: pin, contract: undefined };
  const contract = contractOf(route, asked);
  if (!contract) throw unknownContract(name, route);
  const { model } = route;
  if (pin !== undefined) return { isRoute: true, model, version: pin, contract: undefined };
  // The one that most requests get stands for all of them: they keep the same contract.
  const there = contract.split.versions.filter(({ version }) => view.capability(model, version));
  const [main] = there.toSorted((a, b) => b.weight - a.weight);
  return { isRoute: true, model, version: main?.version, contract };
}

/** What the pool says of a version, as callers of the route may know it. */
function asRouted(
  body: Uint8Array,
  name: string,
  suffix: string,
  { model, contract }: Described,
  view: PoolView,
): Uint8Array {
  const described = z.looseObject({ name: z.string() }).parse(JSON.parse(new TextDecoder().decode(body)));
  const isMetadata = suffix === "" && contract !== undefined;
  const versions = isMetadata ? view.versions(model).filter((one) => routedVersions(contract).includes(one)) : [];
  const kept = isMetadata ? { versions: versions.toReversed(), ...contract.signature } : {};
  return new TextEncoder().encode(JSON.stringify({ ...described, name, ...kept }));
}
