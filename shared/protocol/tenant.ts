/** Tenants and the plans that they are on. */
import { z } from "zod";
import { limitOverridesSchema, limitsSchema } from "./tenant-limits.ts";

export const TENANT_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
export const PLAN_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

export const tenantSchema = z.strictObject({
  id: z.string().regex(TENANT_ID),
  plan: z.string().regex(PLAN_ID),
  /** What differs from the plan. */
  limits: limitOverridesSchema,
  /** Runs the deployment: its `admin` keys see and change every tenant. */
  operator: z.boolean(),
  /** All its calls are refused until it is resumed. */
  suspended: z.boolean(),
  createdAt: z.int(),
});
export type Tenant = z.infer<typeof tenantSchema>;

export const planSchema = z.strictObject({ id: z.string().regex(PLAN_ID), limits: limitsSchema });
export type Plan = z.infer<typeof planSchema>;

/** The plan of tenants that name none. */
export const DEFAULT_PLAN = "default";
