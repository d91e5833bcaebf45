/**
 * The admin API's replies, as far as the command line reads them. Fields that it does not know are kept for `--json`, so that it can
 * talk to a newer deployment.
 */
import { z } from "zod";
import { limitOverridesSchema, limitsSchema } from "../../../shared/protocol/tenant-limits.ts";

/** Milliseconds since 1970, within what a date can hold. */
export const instant = z.int().min(0).max(8.64e15);
const limits = z.looseObject(limitsSchema.shape);
const overrides = z.looseObject(limitOverridesSchema.shape);

export const tenantReply = z.looseObject({
  id: z.string(),
  plan: z.string(),
  limits: overrides,
  effectiveLimits: limits,
  operator: z.boolean(),
  suspended: z.boolean(),
  createdAt: instant,
});
export type TenantReply = z.infer<typeof tenantReply>;

export const keyReply = z.looseObject({
  kid: z.string(),
  tenant: z.string(),
  name: z.string(),
  environment: z.string(),
  scopes: z.array(z.string()),
  limits: overrides,
  expiresAt: instant.nullable(),
  createdAt: instant,
  revokedAt: instant.nullable(),
  lastUsedAt: instant.nullable(),
  secrets: z.array(z.looseObject({ notAfter: instant.nullable() })),
});
export type KeyReply = z.infer<typeof keyReply>;
export const newKeyReply = z.looseObject({ ...keyReply.shape, key: z.string().regex(/^wg_[0-9A-Za-z_]+$/) });

export const planReply = z.looseObject({ id: z.string(), limits });
export type PlanReply = z.infer<typeof planReply>;
export const costReply = z.looseObject({ model: z.string(), cost: z.number() });

export const issuerReply = z.looseObject({
  id: z.string().optional(),
  issuer: z.string(),
  audience: z.string().or(z.array(z.string())),
  jwksUrl: z.string(),
  algorithms: z.array(z.string()),
  tenant: z.looseObject({ fixed: z.string() }).or(z.looseObject({ claim: z.string() })),
  scopeClaim: z.string().nullish(),
  allowedScopes: z.array(z.string()).nullish(),
});
export type IssuerReply = z.infer<typeof issuerReply>;

const standingReply = z.looseObject({
  kind: z.string(),
  account: z.string(),
  quota: z.number(),
  windowSeconds: z.number().nullable(),
  remaining: z.number(),
  resetMs: z.number().nullable(),
});
export type Standing = z.infer<typeof standingReply>;
export const standingsReply = z.looseObject({ standings: z.array(standingReply) });

const usageLine = z.looseObject({
  model: z.string().optional(),
  hour: z.string().optional(),
  day: z.string().optional(),
  requests: z.number(),
  rows: z.number(),
  deviceMs: z.number(),
  cacheHits: z.number(),
});
export type UsageLine = z.infer<typeof usageLine>;
export const usageReply = z.looseObject({
  from: z.string(),
  to: z.string(),
  by: z.string(),
  items: z.array(usageLine),
});

export const auditReply = z.looseObject({
  id: z.int(),
  at: instant,
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  tenant: z.string().nullable(),
  before: z.unknown(),
  after: z.unknown(),
  version: z.int(),
  requestId: z.string(),
});
export type AuditReply = z.infer<typeof auditReply>;

export function listOf<Item extends z.ZodType>(item: Item) {
  return z.looseObject({ items: z.array(item) });
}

/** A page of a list; `next` goes with the question for the page after it. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.looseObject({ items: z.array(item), next: z.string().or(z.int()).nullable() });
}
export type Page<Item> = { readonly items: readonly Item[]; readonly next: string | number | null };
