/** Model routes: which versions stand behind the names that callers use. */
import { z } from "@hono/zod-openapi";
import { DATATYPES } from "../../../shared/protocol/datatype.ts";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { checkModelName, isModelName, isModelVersion } from "../../../shared/protocol/model-name.ts";
import { modelRouteSchema } from "../../../shared/protocol/model-route.ts";
import { DIFFERENCE_KINDS } from "../../../shared/protocol/signature-difference.ts";
import { nobody } from "../../gate/dispatch.ts";
import { poolView } from "../../gate/pool-view.ts";
import { noteRoute } from "../../gate/route-directory.ts";
import type { PoolView } from "../../pool/pool-view.ts";
import { type Admitted, keepAliveOf } from "../admission.ts";
import { dryRun, explanationSchema } from "../explain.ts";
import { type EdgeApp, type EdgeContext, pathParameter } from "../route.ts";
import { json, modelPath } from "../schemas.ts";
import {
  ADMIN,
  addAdminRoute,
  checked,
  controlPlaneOf,
  outcomeReply,
  page,
  pageQuery,
  pageSchema,
  settled,
  tenantPath,
  valueReply,
} from "./admin-route.ts";
import { checkContracts, checkVersion, sentContractSchema } from "./route-check.ts";

const storedRoute = z.object({ route: modelRouteSchema, revision: z.int() }).openapi("ModelRoute");
export const routePath = z.object({
  route: z.string().openapi({ param: { name: "route", in: "path" }, example: "digits" }),
});
const sentRoute = z.strictObject({
  revision: z.int().min(0).openapi({ description: "Of the route that was changed; 0 for a new one." }),
  model: z
    .string()
    .refine(isModelName)
    .optional()
    .openapi({ description: "In the pool; the route's own name if left out." }),
  contracts: z.array(sentContractSchema).min(1).max(8),
  cache: modelRouteSchema.shape.cache,
});
const listQuery = z.object(pageQuery);
const checkQuery = z.object({
  version: z
    .string()
    .refine(isModelVersion, "a model version is a whole number from 1")
    .openapi({ description: "Of the route's model.", example: "2" }),
  contract: z.coerce
    .number()
    .int()
    .min(1)
    .max(999)
    .optional()
    .openapi({ description: "The oldest of the route if left out." }),
});
const form = z.object({ datatype: z.enum(DATATYPES), shape: z.array(z.int()) }).nullable();
const versionCheck = z
  .object({
    route: z.string(),
    contract: z.int(),
    model: z.string(),
    version: z.string(),
    compatible: z.boolean().openapi({ description: "Whether the route can be set to the version." }),
    differences: z.array(
      z.object({
        kind: z.enum(DIFFERENCE_KINDS),
        side: z.enum(["input", "output"]),
        tensor: z.string().openapi({ description: "Its name." }),
        from: form.openapi({ description: "By the contract; null: it has none of that name." }),
        to: form.openapi({ description: "Of the version; null: it has none of that name." }),
        breaking: z.boolean(),
      }),
    ),
  })
  .openapi("VersionCheck");
const changes = [
  "conflict",
  "invalid_configuration",
  "invalid_model_name",
  "malformed_json",
  "body_too_large",
] as const;
const EXPLAIN_BUDGET_MS = 10_000;

export function addModelRouteRoutes(app: EdgeApp): void {
  const one = `${ADMIN}/routes/{route}`;
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/routes`, by: "operator", query: listQuery },
      summary: "All model routes, by name",
      responses: { 200: json(pageSchema(storedRoute), "A page of routes.") },
    },
    async ({ context }) => {
      const { after, limit } = checked(listQuery, context.req.query());
      const found = await controlPlaneOf(context).listRoutes(after, limit + 1);
      const { items, next } = page(
        found.map((stored) => ({ ...stored, name: stored.route.name })),
        limit,
        "name",
      );
      return valueReply(context, { items: items.map(({ route, revision }) => ({ route, revision })), next });
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: one, by: "operator", parameters: routePath },
      summary: "A model route",
      responses: { 200: json(storedRoute, "The route.") },
    },
    async ({ context }) =>
      outcomeReply(context, await controlPlaneOf(context).getRoute(pathParameter(context, "route"))),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "put", path: one, by: "operator", parameters: routePath, body: sentRoute },
      summary: "Add or change a model route as a whole; takes effect everywhere within ten seconds",
      responses: { 200: json(storedRoute, "The route as it is now.") },
      also: [...changes, "pool_unavailable"],
    },
    async ({ context, settings, actor, body }) => {
      const name = pathParameter(context, "route");
      checkModelName(name, undefined);
      const { revision, model = name, cache } = body;
      const control = controlPlaneOf(context);
      const before = await control.getRoute(name);
      const route = "refused" in before ? undefined : before.value.route;
      const { contracts, problems } = checkContracts(model, body.contracts, route, await viewOf(context, settings));
      if (problems.length > 0) throw new WarmgateError("invalid_configuration", problems.join("; "));
      const given = modelRouteSchema.parse({ name, model, contracts, cache });
      const outcome = await control.putRoute(actor, given, revision);
      if (!("refused" in outcome)) noteRoute(name, outcome.value, context.env, keepAliveOf(context), Date.now());
      return outcomeReply(context, outcome);
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${one}/check`, by: "operator", parameters: routePath, query: checkQuery },
      summary: "Whether a version would keep a contract of a model route, with each difference; nothing is changed",
      responses: { 200: json(versionCheck, "The verdict.") },
      also: ["contract_not_found", "version_not_found", "pool_unavailable"],
    },
    async ({ context, settings }) => {
      const { version, contract } = checked(checkQuery, context.req.query());
      const { route } = settled(context, await controlPlaneOf(context).getRoute(pathParameter(context, "route")));
      return valueReply(context, checkVersion(route, contract, version, await viewOf(context, settings)));
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "delete", path: one, by: "operator", parameters: routePath },
      summary: "Remove a model route: its name then stands for the newest version of the model of that name",
      responses: { 200: json(storedRoute, "The route that was removed.") },
      also: ["conflict"],
    },
    async ({ context, actor }) => {
      const name = pathParameter(context, "route");
      const outcome = await controlPlaneOf(context).deleteRoute(actor, name);
      if (!("refused" in outcome)) noteRoute(name, null, context.env, keepAliveOf(context), Date.now());
      return outcomeReply(context, outcome);
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "post", path: `${ADMIN}/tenants/{tenant}/models/{model}/explain`, by: "operator" },
      parameters: tenantPath.extend(modelPath.shape),
      summary: "Dry run of a tenant's request, with the headers and the body that it would have",
      responses: { 200: json(explanationSchema, "What would be done, and why.") },
      also: ["invalid_request", "malformed_json", "contract_not_found", "pool_unavailable"],
    },
    async ({ context, settings, tenant, actor, startedAt }) => {
      checkModelName(pathParameter(context, "model"), undefined);
      const { plan, effectiveLimits } = settled(context, await controlPlaneOf(context).getTenant(tenant));
      const admitted: Admitted = {
        ...{ settings, startedAt },
        principal: {
          ...{ tenant, plan, kid: actor.id, scopes: [], operator: false, limits: effectiveLimits, keyLimits: null },
          configuration: await controlPlaneOf(context).configuration(),
        },
      };
      const standings = await context.env.TENANT_LIMITER.getByName(tenant).standings();
      return dryRun(context, admitted, EXPLAIN_BUDGET_MS, standings);
    },
  );
}

/** @throws WarmgateError `pool_unavailable` while nothing was ever heard of the pool */
export async function viewOf(context: EdgeContext, settings: Admitted["settings"]): Promise<PoolView> {
  const view = await poolView(settings, context.env, keepAliveOf(context), Date.now());
  if (!view) throw nobody();
  return view;
}
