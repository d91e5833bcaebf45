/** Tenants, plans and what models cost, in the control plane's tables. */
import { z } from "zod";
import type { ApiKeyRecord } from "../../../shared/protocol/api-key.ts";
import { DEFAULT_PLAN, type Plan, planSchema, type Tenant, tenantSchema } from "../../../shared/protocol/tenant.ts";
import {
  keyLimitProblems,
  type Limits,
  limitProblems,
  overlay,
  UNLIMITED,
} from "../../../shared/protocol/tenant-limits.ts";
import { Refusal } from "./outcome.ts";

/** What every deployment starts with; an operator may change it. */
const FIRST_DEFAULT_PLAN: Plan = {
  id: DEFAULT_PLAN,
  limits: { ...UNLIMITED, rate: { perSecond: 50, burst: 100 }, concurrency: 16 },
};

/** @throws Refusal `not_found` */
export function requireTenant(sql: SqlStorage, id: string): Tenant {
  const [row] = sql.exec("SELECT id, created_at, record FROM tenants WHERE id = ?", id);
  if (!row) throw new Refusal("not_found", "there is no such tenant");
  return parseTenant(row);
}

export function listTenants(sql: SqlStorage, after: string, limit: number): Tenant[] {
  const rows = sql.exec("SELECT id, created_at, record FROM tenants WHERE id > ? ORDER BY id LIMIT ?", after, limit);
  return [...rows].map(parseTenant);
}

export function tenantExists(sql: SqlStorage, id: string): boolean {
  return [...sql.exec("SELECT 1 FROM tenants WHERE id = ?", id)].length > 0;
}

export function writeTenant(sql: SqlStorage, tenant: Tenant): void {
  const { id, createdAt, ...record } = tenantSchema.parse(tenant);
  sql.exec(
    `INSERT INTO tenants (id, created_at, record) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
    id,
    createdAt,
    JSON.stringify(record),
  );
}

function parseTenant({ id, created_at, record }: Record<string, unknown>): Tenant {
  const fields = z.record(z.string(), z.unknown()).parse(JSON.parse(z.string().parse(record)));
  // Tenants of the first schema had an id only.
  return tenantSchema.parse({
    plan: DEFAULT_PLAN,
    limits: {},
    operator: false,
    suspended: false,
    ...fields,
    id,
    createdAt: created_at,
  });
}

export function findPlan(sql: SqlStorage, id: string): Plan | undefined {
  const [row] = sql.exec("SELECT record FROM plans WHERE id = ?", id);
  if (row) return planSchema.parse(JSON.parse(z.string().parse(row.record)));
  return id === DEFAULT_PLAN ? FIRST_DEFAULT_PLAN : undefined;
}

export function listPlans(sql: SqlStorage): Plan[] {
  const plans = [...sql.exec("SELECT record FROM plans ORDER BY id")].map(({ record }) =>
    planSchema.parse(JSON.parse(z.string().parse(record))),
  );
  return plans.some(({ id }) => id === DEFAULT_PLAN) ? plans : [FIRST_DEFAULT_PLAN, ...plans];
}

export function writePlan(sql: SqlStorage, plan: Plan): void {
  sql.exec(
    "INSERT INTO plans (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
    plan.id,
    JSON.stringify(planSchema.parse(plan)),
  );
}

/** What a tenant may use: its plan, with what is its own over it. @throws Refusal for a plan that there is not */
export function effectiveLimits(sql: SqlStorage, { plan: id, limits }: Pick<Tenant, "plan" | "limits">): Limits {
  const plan = findPlan(sql, id);
  if (!plan) throw new Refusal("invalid_configuration", `there is no plan ${id}`);
  return overlay(plan.limits, limits);
}

export function modelCosts(sql: SqlStorage): ReadonlyMap<string, number> {
  const rows = [...sql.exec("SELECT model, cost FROM model_costs ORDER BY model")];
  return new Map(rows.map(({ model, cost }) => [z.string().parse(model), z.int().parse(cost)]));
}

/** What the dearest request costs. */
export function mostUnits(sql: SqlStorage): number {
  return Math.max(1, ...modelCosts(sql).values());
}

/** @throws Refusal `invalid_configuration` naming everything that is wrong with the tenant's limits */
export function checkTenant(sql: SqlStorage, tenant: Tenant, largestBody: number): void {
  const problems = [
    ...limitProblems(effectiveLimits(sql, tenant), mostUnits(sql)),
    ...bodyProblems(tenant.limits.maxBodyBytes, largestBody),
  ];
  if (problems.length > 0) throw new Refusal("invalid_configuration", ...problems);
}

/** @throws Refusal `invalid_configuration` */
export function checkPlan(sql: SqlStorage, { limits }: Plan, largestBody: number): void {
  const problems = [...limitProblems(limits, mostUnits(sql)), ...bodyProblems(limits.maxBodyBytes, largestBody)];
  if (problems.length > 0) throw new Refusal("invalid_configuration", ...problems);
}

/** @throws Refusal `invalid_configuration` */
export function checkKey(sql: SqlStorage, key: ApiKeyRecord, now: number): void {
  const problems = keyLimitProblems(key.limits, effectiveLimits(sql, requireTenant(sql, key.tenant)), mostUnits(sql));
  if (key.expiresAt !== null && key.expiresAt <= now) problems.push("expiresAt is in the past");
  if (problems.length > 0) throw new Refusal("invalid_configuration", ...problems);
}

function bodyProblems(maxBodyBytes: number | null | undefined, largestBody: number): string[] {
  return maxBodyBytes !== null && maxBodyBytes !== undefined && maxBodyBytes >= largestBody
    ? [`maxBodyBytes of ${maxBodyBytes} has no effect: this deployment takes ${largestBody} bytes at the most`]
    : [];
}

/** @throws Refusal `conflict` while tenants are on it, or when it is the one that every deployment has */
export function deletePlan(sql: SqlStorage, id: string): void {
  if (id === DEFAULT_PLAN) throw new Refusal("conflict", "the default plan can be changed but not removed");
  const users = [...sql.exec("SELECT id FROM tenants WHERE json_extract(record, '$.plan') = ? LIMIT 4", id)];
  if (users.length > 0) {
    const names = users.slice(0, 3).map((row) => String(row.id));
    throw new Refusal(
      "conflict",
      `tenants are on this plan: ${names.join(", ")}${users.length > 3 ? " and more" : ""}`,
    );
  }
  sql.exec("DELETE FROM plans WHERE id = ?", id);
}

/** @throws Refusal `invalid_configuration` when some burst could never hold a request of that cost */
export function writeCost(sql: SqlStorage, model: string, cost: number): void {
  const tooSmall = listPlans(sql)
    .filter(({ limits }) => limits.rate !== null && limits.rate.burst < cost)
    .map(({ id }) => `the burst of plan ${id} would refuse every request to ${model}`);
  const own = sql.exec("SELECT id FROM tenants WHERE json_extract(record, '$.limits.rate.burst') < ? LIMIT 3", cost);
  for (const { id } of own) tooSmall.push(`the burst of tenant ${String(id)} would refuse every request to ${model}`);
  if (tooSmall.length > 0) throw new Refusal("invalid_configuration", ...tooSmall);
  sql.exec(
    "INSERT INTO model_costs (model, cost) VALUES (?, ?) ON CONFLICT (model) DO UPDATE SET cost = excluded.cost",
    model,
    cost,
  );
}

export function deleteCost(sql: SqlStorage, model: string): void {
  sql.exec("DELETE FROM model_costs WHERE model = ?", model);
}
