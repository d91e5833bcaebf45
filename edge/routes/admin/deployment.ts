/** What is the same for all tenants: plans and what models cost; and the log of every change. */
import { z } from "@hono/zod-openapi";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { checkModelName } from "../../../shared/protocol/model-name.ts";
import { PLAN_ID, planSchema } from "../../../shared/protocol/tenant.ts";
import { limitsSchema } from "../../../shared/protocol/tenant-limits.ts";
import { ISSUER_ID, tokenIssuerSchema } from "../../../shared/protocol/token-issuer.ts";
import type { AuditEntry } from "../../objects/control/audit.ts";
import { type EdgeApp, pathParameter } from "../route.ts";
import { json } from "../schemas.ts";
import { ADMIN, addAdminRoute, checked, controlPlaneOf, outcomeReply, page, valueReply } from "./admin-route.ts";

const plan = planSchema.openapi("Plan");
const planPath = z.object({ plan: z.string().openapi({ param: { name: "plan", in: "path" }, example: "free" }) });
const cost = z.object({ model: z.string(), cost: z.int() }).openapi("ModelCost");
const costPath = z.object({ model: z.string().openapi({ param: { name: "model", in: "path" }, example: "digits" }) });
const changes = ["conflict", "invalid_configuration", "malformed_json", "body_too_large"] as const;
const auditEntry = z
  .object({
    ...{ id: z.int(), at: z.int(), actor: z.string(), action: z.string(), subject: z.string() },
    ...{ tenant: z.string().nullable(), before: z.unknown(), after: z.unknown() },
    ...{ version: z.int(), requestId: z.string() },
  })
  .openapi("AuditEntry");
const auditQuery = z.object({
  tenant: z.string().max(64).optional().openapi({ description: "Of this tenant only." }),
  before: z.coerce.number().int().optional().openapi({ description: "`next` of the page before." }),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export function addDeploymentRoutes(app: EdgeApp): void {
  addPlanRoutes(app);
  addCostRoutes(app);
  addIssuerRoutes(app);
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/audit`, by: "operator", query: auditQuery },
      summary: "Who changed what, newest first",
      responses: { 200: json(auditPage(), "A page of the log.") },
    },
    async ({ context }) => {
      const { tenant = null, before = null, limit } = checked(auditQuery, context.req.query());
      const found = await controlPlaneOf(context).audit(tenant, before, limit + 1);
      return valueReply(context, page(found.map(withDocuments), limit, "id"));
    },
  );
  const own = auditQuery.omit({ tenant: true });
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/tenants/{tenant}/audit`, by: "tenant", query: own },
      parameters: z.object({ tenant: z.string().openapi({ param: { name: "tenant", in: "path" }, example: "acme" }) }),
      summary: "What was changed of a tenant and its keys, newest first",
      responses: { 200: json(auditPage(), "A page of the log.") },
    },
    async ({ context, tenant }) => {
      const { before = null, limit } = checked(own, context.req.query());
      const found = await controlPlaneOf(context).audit(tenant, before, limit + 1);
      return valueReply(context, page(found.map(withDocuments), limit, "id"));
    },
  );
}

function withDocuments({ before, after, ...entry }: AuditEntry) {
  const read = (text: string | null): unknown => (text === null ? null : JSON.parse(text));
  return { ...entry, before: read(before), after: read(after) };
}

function auditPage() {
  return z.object({ items: z.array(auditEntry), next: z.int().nullable() });
}

function addPlanRoutes(app: EdgeApp): void {
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/plans`, by: "operator" },
      summary: "The plans that tenants can be on",
      responses: { 200: json(z.object({ items: z.array(plan) }), "All plans.") },
    },
    async ({ context }) => valueReply(context, { items: await controlPlaneOf(context).listPlans() }),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "put", path: `${ADMIN}/plans/{plan}`, by: "operator", parameters: planPath },
      body: z.strictObject({ limits: limitsSchema }),
      summary: "Add or change a plan, for all tenants on it",
      responses: { 200: json(plan, "The plan.") },
      also: changes,
    },
    async ({ context, actor, body }) => {
      const id = pathParameter(context, "plan");
      if (!PLAN_ID.test(id))
        throw new WarmgateError("invalid_request", "a plan's name is lower-case letters, digits and -");
      return outcomeReply(context, await controlPlaneOf(context).putPlan(actor, { id, ...body }));
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "delete", path: `${ADMIN}/plans/{plan}`, by: "operator", parameters: planPath },
      summary: "Remove a plan that no tenant is on",
      responses: { 200: json(plan, "The plan that was removed.") },
      also: ["conflict"],
    },
    async ({ context, actor }) =>
      outcomeReply(context, await controlPlaneOf(context).deletePlan(actor, pathParameter(context, "plan"))),
  );
}

function addCostRoutes(app: EdgeApp): void {
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/costs`, by: "operator" },
      summary: "What requests to models cost, where it is not one unit",
      responses: { 200: json(z.object({ items: z.array(cost) }), "All declared costs.") },
    },
    async ({ context }) => {
      const { costs } = await controlPlaneOf(context).configuration();
      return valueReply(context, { items: Object.entries(costs).map(([model, units]) => ({ model, cost: units })) });
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "put", path: `${ADMIN}/costs/{model}`, by: "operator", parameters: costPath },
      body: z.strictObject({ cost: z.int().min(2).max(10_000) }),
      summary: "Declare what a request to a model costs, in units of rates and quotas",
      responses: { 200: json(cost, "The declared cost.") },
      also: ["invalid_model_name", ...changes],
    },
    async ({ context, actor, body }) => {
      const model = pathParameter(context, "model");
      checkModelName(model, undefined);
      return outcomeReply(context, await controlPlaneOf(context).putCost(actor, model, body.cost));
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "delete", path: `${ADMIN}/costs/{model}`, by: "operator", parameters: costPath },
      summary: "Let a model cost one unit again",
      responses: { 200: json(cost, "The cost that was declared.") },
    },
    async ({ context, actor }) =>
      outcomeReply(context, await controlPlaneOf(context).deleteCost(actor, pathParameter(context, "model"))),
  );
}

const issuer = tokenIssuerSchema.openapi("TokenIssuer");
const issuerPath = z.object({
  issuer: z.string().openapi({ param: { name: "issuer", in: "path" }, example: "login" }),
});

function addIssuerRoutes(app: EdgeApp): void {
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/issuers`, by: "operator" },
      summary: "Whose tokens are taken",
      responses: { 200: json(z.object({ items: z.array(issuer) }), "All token issuers.") },
    },
    async ({ context }) => valueReply(context, { items: await controlPlaneOf(context).listIssuers() }),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "put", path: `${ADMIN}/issuers/{issuer}`, by: "operator", parameters: issuerPath },
      body: tokenIssuerSchema.omit({ id: true }),
      summary: "Take tokens of an issuer; its keys are fetched at once, then every five minutes",
      responses: { 200: json(issuer, "The issuer.") },
      also: changes,
    },
    async ({ context, actor, body }) => {
      const id = pathParameter(context, "issuer");
      if (!ISSUER_ID.test(id))
        throw new WarmgateError("invalid_request", "an issuer's id is lower-case letters, digits and -");
      return outcomeReply(context, await controlPlaneOf(context).putIssuer(actor, { id, ...body }));
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "delete", path: `${ADMIN}/issuers/{issuer}`, by: "operator", parameters: issuerPath },
      summary: "Take an issuer's tokens no more, everywhere within ten seconds",
      responses: { 200: json(issuer, "The issuer that was removed.") },
    },
    async ({ context, actor }) =>
      outcomeReply(context, await controlPlaneOf(context).deleteIssuer(actor, pathParameter(context, "issuer"))),
  );
}
