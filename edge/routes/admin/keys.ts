import { z } from "@hono/zod-openapi";
import {
  type ApiKey,
  apiKeyRecordSchema,
  createApiKey,
  formatApiKey,
  secretDigest,
  withNewSecret,
} from "../../../shared/protocol/api-key.ts";
import { scopeSchema } from "../../../shared/protocol/scope.ts";
import { limitOverridesSchema } from "../../../shared/protocol/tenant-limits.ts";
import type { EdgeSettings } from "../../environment.ts";
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

const keyView = apiKeyRecordSchema
  .omit({ secretDigests: true })
  .extend({ secrets: z.array(z.object({ notAfter: z.int().nullable() })) })
  .openapi("ApiKey");
const shownOnce = keyView
  .extend({ key: z.string().openapi({ description: "Shown this once, and stored nowhere.", example: "wg_live_..." }) })
  .openapi("NewApiKey");
const scopes = z.array(scopeSchema).min(1).max(100);
const newKey = z.strictObject({
  name: z.string().max(200).default(""),
  scopes,
  expiresAt: z.int().nullable().default(null).openapi({ description: "Milliseconds since 1970." }),
  limits: limitOverridesSchema.default({}),
});
const keyChange = z
  .strictObject({
    name: z.string().max(200),
    scopes,
    expiresAt: z.int().nullable(),
    limits: limitOverridesSchema,
  })
  .partial();
const DEFAULT_OVERLAP_SECONDS = 86_400;
const rotation = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(DEFAULT_OVERLAP_SECONDS)
    .openapi({ description: "For how long the secret before this one still works." }),
});
const keyPath = tenantPath.extend({
  kid: z.string().openapi({ param: { name: "kid", in: "path" }, example: "0aB1cD2eF3" }),
});
const listQuery = z.object(pageQuery);
const changes = ["conflict", "invalid_configuration", "malformed_json", "body_too_large"] as const;

export function addKeyRoutes(app: EdgeApp): void {
  const all = `${ADMIN}/tenants/{tenant}/keys`;
  const one = `${all}/{kid}`;
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: all, by: "tenant", parameters: tenantPath, query: listQuery },
      summary: "A tenant's keys, by id, revoked ones included",
      responses: { 200: json(pageSchema(keyView), "A page of keys.") },
    },
    async ({ context, tenant }) => {
      const { after, limit } = checked(listQuery, context.req.query());
      const found = settled(context, await controlPlaneOf(context).listKeys(tenant, after, limit + 1));
      return valueReply(context, page(found, limit, "kid"));
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "post", path: all, by: "tenant", parameters: tenantPath, body: newKey },
      summary: "Make a key; its text is in this reply only",
      responses: { 201: json(shownOnce, "The key.") },
      also: changes,
    },
    async ({ context, actor, tenant, body, settings, startedAt }) => {
      const key = await createApiKey(settings.environment, settings.pepper, randomBytes);
      const made = await controlPlaneOf(context).createKey(actor, {
        ...body,
        ...{ kid: key.kid, tenant, environment: key.environment },
        secretDigests: [{ digest: await digestText(settings, key), notAfter: null }],
        ...{ createdAt: startedAt, revokedAt: null, lastUsedAt: null },
      });
      return valueReply(context, { ...settled(context, made), key: formatApiKey(key) }, 201);
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: one, by: "tenant", parameters: keyPath },
      summary: "A key",
      responses: { 200: json(keyView, "The key, without its secret.") },
    },
    async ({ context, tenant }) =>
      outcomeReply(context, await controlPlaneOf(context).getKey(tenant, context.req.param("kid") ?? "")),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "patch", path: one, by: "tenant", parameters: keyPath, body: keyChange },
      summary: "Change a key's name, scopes, expiry or limits",
      responses: { 200: json(keyView, "The key as it is now.") },
      also: changes,
    },
    async ({ context, actor, tenant, body }) =>
      outcomeReply(
        context,
        await controlPlaneOf(context).changeKey(actor, tenant, context.req.param("kid") ?? "", body),
      ),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "delete", path: one, by: "tenant", parameters: keyPath },
      summary: "Revoke a key, everywhere within ten seconds",
      responses: { 200: json(keyView, "The revoked key.") },
    },
    async ({ context, actor, tenant, startedAt }) =>
      outcomeReply(
        context,
        await controlPlaneOf(context).revokeKey(actor, tenant, context.req.param("kid") ?? "", startedAt),
      ),
  );
  addAdminRoute(
    app,
    {
      ...{ method: "post", path: `${one}/rotate`, by: "tenant", parameters: keyPath, body: rotation },
      summary: "Give a key another secret; the one before works for a while",
      responses: { 200: json(shownOnce, "The key with its new text.") },
      also: changes,
    },
    async ({ context, actor, tenant, body, settings, startedAt }) => {
      const kid = context.req.param("kid") ?? "";
      const key = await withNewSecret({ environment: settings.environment, kid }, settings.pepper, randomBytes);
      const digest = await digestText(settings, key);
      const until = startedAt + body.overlapSeconds * 1000;
      const rotated = await controlPlaneOf(context).rotateKey(actor, tenant, kid, digest, until);
      return valueReply(context, { ...settled(context, rotated), key: formatApiKey(key) });
    },
  );
}

function randomBytes(bytes: Uint8Array<ArrayBuffer>): void {
  crypto.getRandomValues(bytes);
}

async function digestText({ pepper }: EdgeSettings, key: ApiKey): Promise<string> {
  const digest = await secretDigest(pepper, key);
  if (!digest) throw new Error("the key was not made with this deployment's pepper");
  return btoa(String.fromCharCode(...digest));
}
