import { z } from "@hono/zod-openapi";
import { DEFAULT_PLAN, PLAN_ID, TENANT_ID, tenantSchema } from "../../../shared/protocol/tenant.ts";
import { limitOverridesSchema, limitsSchema } from "../../../shared/protocol/tenant-limits.ts";
import type { EdgeApp } from "../route.ts";
import { json } from "../schemas.ts";
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

const tenantView = tenantSchema.extend({ effectiveLimits: limitsSchema }).openapi("Tenant");
const newTenant = z.strictObject({
  id: z.string().regex(TENANT_ID),
  plan: z.string().regex(PLAN_ID).default(DEFAULT_PLAN),
  limits: limitOverridesSchema.default({}),
  operator: z.boolean().default(false),
});
const tenantChange = z
  .strictObject({
    plan: z.string().regex(PLAN_ID),
    limits: limitOverridesSchema.openapi({ description: "Replaces what is given; null lifts a limit." }),
    suspended: z.boolean(),
    inherit: z.array(limitsSchema.keyof()).openapi({ description: "Limits to take from the plan again." }),
  })
  .partial();
const standingSchema = z.object({
  kind: z.enum(["rate", "concurrency", "day", "month"]),
  account: z.string().openapi({ description: "`tenant`, or the id of a key that has limits of its own." }),
  quota: z.number(),
  windowSeconds: z.number().nullable(),
  remaining: z.number(),
  resetMs: z.number().nullable(),
});
const listQuery = z.object(pageQuery);

export function addTenantRoutes(app: EdgeApp): void {
  const one = `${ADMIN}/tenants/{tenant}`;
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/tenants`, by: "operator", query: listQuery },
      summary: "All tenants, by name",
      responses: { 200: json(pageSchema(tenantView), "A page of tenants.") },
    },
    async ({ context }) => {
      const { after, limit } = checked(listQuery, context.req.query());
      const found = await controlPlaneOf(context).listTenants(after, limit + 1);
      return valueReply(context, page(found, limit, "id"));
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "post", path: `${ADMIN}/tenants`, by: "operator", body: newTenant },
      summary: "Add a tenant",
      responses: { 201: json(tenantView, "The tenant.") },
      also: ["conflict", "invalid_configuration", "malformed_json", "body_too_large"],
    },
    async ({ context, actor, body, startedAt }) => {
      const tenant = { ...body, suspended: false, createdAt: startedAt };
      return outcomeReply(context, await controlPlaneOf(context).createTenant(actor, tenant), 201);
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: one, by: "tenant", parameters: tenantPath },
      summary: "A tenant, with the limits that it comes to",
      responses: { 200: json(tenantView, "The tenant.") },
    },
    async ({ context, tenant }) => outcomeReply(context, await controlPlaneOf(context).getTenant(tenant)),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "patch", path: one, by: "operator", parameters: tenantPath, body: tenantChange },
      summary: "Change a tenant's plan or limits, suspend or resume it",
      responses: { 200: json(tenantView, "The tenant as it is now.") },
      also: ["invalid_configuration", "malformed_json", "body_too_large"],
    },
    async ({ context, actor, tenant, body: { inherit = [], ...change } }) =>
      outcomeReply(context, await controlPlaneOf(context).changeTenant(actor, tenant, change, inherit)),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${one}/limits`, by: "tenant", parameters: tenantPath },
      summary: "Where a tenant's limits stand now, and those of its keys",
      responses: { 200: json(z.object({ standings: z.array(standingSchema) }), "Each limit that was used so far.") },
    },
    async ({ context, tenant }) => {
      settled(context, await controlPlaneOf(context).getTenant(tenant));
      return valueReply(context, { standings: await context.env.TENANT_LIMITER.getByName(tenant).standings() });
    },
  );
}
