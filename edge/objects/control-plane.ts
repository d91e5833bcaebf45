/**
 * The truth about tenants, plans, keys, token issuers, model routes and what models cost. One object for a deployment; data centres and isolates
 * only copy what they read from it, for seconds (`gate/control-directory.ts`).
 *
 * Promises: a change is checked as a whole, then takes effect together with its audit entry and a new configuration version, or
 * not at all; what could have no effect is refused; no secret is ever stored or told. Everything is kept in SQLite, so it
 * survives eviction, restarts and deploys. Look-ups go by primary keys: their cost does not grow with the number of keys.
 */
import { DurableObject } from "cloudflare:workers";
import { type ApiKeyRecord, apiKeyRecordSchema } from "../../shared/protocol/api-key.ts";
import type { ModelRoute } from "../../shared/protocol/model-route.ts";
import { scopeProblems } from "../../shared/protocol/scope.ts";
import { type Plan, planSchema, type Tenant, tenantSchema } from "../../shared/protocol/tenant.ts";
import type { Limits } from "../../shared/protocol/tenant-limits.ts";
import { type IssuerKeys, type TokenIssuer, tokenIssuerSchema } from "../../shared/protocol/token-issuer.ts";
import { type Bindings, DEFAULT_MAX_BODY_BYTES } from "../environment.ts";
import { type Actor, type AuditEntry, readAudit } from "./control/audit.ts";
import { deleteIssuer, fetchKeySet, listIssuers, writeIssuer, writeKeySet } from "./control/issuers.ts";
import { findKey, insertKey, listKeys, requireKey, writeKey } from "./control/keys.ts";
import { ModelRoutes, type RolloutMove, type StoredRoute } from "./control/model-routes.ts";
import { type Outcome, Refusal } from "./control/outcome.ts";
import { ControlStore } from "./control/store.ts";
import * as tenants from "./control/tenants.ts";

export const CONTROL_PLANE_NAME = "main";

/** How old an issuer's keys grow before they are fetched again, and how soon that is tried again when it failed. */
const KEY_SET_LIFE_MS = 300_000;
const KEY_SET_RETRY_MS = 30_000;

/** A tenant as isolates need it. */
export interface ResolvedTenant {
  readonly id: string;
  readonly plan: string;
  readonly operator: boolean;
  readonly suspended: boolean;
  readonly limits: Limits;
  /** Of the configuration that this is from. */
  readonly version: number;
}

export interface ResolvedKey {
  readonly record: ApiKeyRecord;
  readonly tenant: ResolvedTenant;
}

/** What is the same for every caller. */
export interface Configuration {
  readonly version: number;
  readonly costs: Readonly<Record<string, number>>;
  readonly issuers: readonly IssuerKeys[];
}

/** What of a record is to be replaced. */
type Changes<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | undefined };

/** A key without what only the gate needs. */
export type KeyView = Omit<ApiKeyRecord, "secretDigests"> & {
  readonly secrets: readonly { readonly notAfter: number | null }[];
};
export type TenantView = Tenant & { readonly effectiveLimits: Limits };

export class ControlPlane extends DurableObject<Bindings> {
  readonly #store: ControlStore;
  readonly #routes: ModelRoutes;
  readonly #sql: SqlStorage;

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings);
    this.#store = new ControlStore(state.storage);
    this.#routes = new ModelRoutes(this.#store);
    this.#sql = this.#store.sql;
  }

  // For the gate.

  /** The key of that id, revoked and expired ones included; null when there is none. */
  resolveKey(kid: string): ResolvedKey | null {
    const record = findKey(this.#sql, kid);
    const tenant = record && this.resolveTenant(record.tenant);
    return record && tenant ? { record, tenant } : null;
  }

  resolveTenant(id: string): ResolvedTenant | null {
    if (!tenants.tenantExists(this.#sql, id)) return null;
    const { operator, suspended, ...tenant } = tenants.requireTenant(this.#sql, id);
    const limits = tenants.effectiveLimits(this.#sql, tenant);
    return { id, plan: tenant.plan, operator, suspended, limits, version: this.#store.version() };
  }

  configuration(): Configuration {
    const costs = Object.fromEntries(tenants.modelCosts(this.#sql));
    return { version: this.#store.version(), costs, issuers: listIssuers(this.#sql) };
  }

  /** Notes that a key was used; called at most once a minute for each key and isolate. */
  keyUsed(kid: string, at: number): void {
    const record = findKey(this.#sql, kid);
    if (record && (record.lastUsedAt ?? 0) < at) writeKey(this.#sql, { ...record, lastUsedAt: at });
  }

  // Tenants.

  listTenants(after: string, limit: number): TenantView[] {
    return tenants.listTenants(this.#sql, after, limit).map((tenant) => this.#view(tenant));
  }

  getTenant(id: string): Outcome<TenantView> {
    return this.#store.read(() => this.#view(tenants.requireTenant(this.#sql, id)));
  }

  createTenant(actor: Actor, given: Tenant): Outcome<TenantView> {
    return this.#store.change(actor, () => {
      const tenant = tenantSchema.parse(given);
      if (tenants.tenantExists(this.#sql, tenant.id)) throw new Refusal("conflict", `there is a tenant ${tenant.id}`);
      tenants.checkTenant(this.#sql, tenant, this.#largestBody());
      tenants.writeTenant(this.#sql, tenant);
      const value = this.#view(tenant);
      return {
        value,
        change: { action: "tenant.create", subject: tenant.id, tenant: tenant.id, before: null, after: tenant },
      };
    });
  }

  /** @param inherit names of limits to take from the plan again */
  changeTenant(
    actor: Actor,
    id: string,
    change: Changes<Pick<Tenant, "plan" | "limits" | "suspended">>,
    inherit: readonly string[],
  ): Outcome<TenantView> {
    return this.#store.change(actor, () => {
      const before = tenants.requireTenant(this.#sql, id);
      const limits = Object.fromEntries(
        Object.entries({ ...before.limits, ...change.limits }).filter(([name]) => !inherit.includes(name)),
      );
      const after = tenantSchema.parse({ ...before, ...change, limits });
      tenants.checkTenant(this.#sql, after, this.#largestBody());
      tenants.writeTenant(this.#sql, after);
      return { value: this.#view(after), change: { action: "tenant.change", subject: id, tenant: id, before, after } };
    });
  }

  // Keys. Their text is made by the isolate, which has the pepper; here only digests arrive.

  listKeys(tenant: string, after: string, limit: number): Outcome<KeyView[]> {
    return this.#store.read(() => {
      tenants.requireTenant(this.#sql, tenant);
      return listKeys(this.#sql, tenant, after, limit).map(viewKey);
    });
  }

  getKey(tenant: string, kid: string): Outcome<KeyView> {
    return this.#store.read(() => viewKey(requireKey(this.#sql, tenant, kid)));
  }

  createKey(actor: Actor, given: ApiKeyRecord): Outcome<KeyView> {
    return this.#store.change(actor, () => {
      const record = apiKeyRecordSchema.parse(given);
      tenants.requireTenant(this.#sql, record.tenant);
      this.#checkKey(record);
      if (findKey(this.#sql, record.kid)) throw new Refusal("conflict", "there is a key of that id");
      insertKey(this.#sql, record);
      return keyChange("key.create", undefined, record);
    });
  }

  changeKey(
    actor: Actor,
    tenant: string,
    kid: string,
    change: Changes<Pick<ApiKeyRecord, "name" | "scopes" | "expiresAt" | "limits">>,
  ): Outcome<KeyView> {
    return this.#store.change(actor, () => {
      const before = this.#liveKey(tenant, kid);
      const after = apiKeyRecordSchema.parse({ ...before, ...change, limits: { ...before.limits, ...change.limits } });
      this.#checkKey(after);
      writeKey(this.#sql, after);
      return keyChange("key.change", before, after);
    });
  }

  /** Adds a secret; the one before it works until `overlapUntil`, older ones no more. */
  rotateKey(actor: Actor, tenant: string, kid: string, digest: string, overlapUntil: number): Outcome<KeyView> {
    return this.#store.change(actor, () => {
      const before = this.#liveKey(tenant, kid);
      const [current] = before.secretDigests;
      const kept = current ? [{ digest: current.digest, notAfter: overlapUntil }] : [];
      const after = { ...before, secretDigests: [{ digest, notAfter: null }, ...kept] };
      writeKey(this.#sql, after);
      return keyChange("key.rotate", before, after);
    });
  }

  revokeKey(actor: Actor, tenant: string, kid: string, now: number): Outcome<KeyView> {
    return this.#store.change(actor, () => {
      const before = requireKey(this.#sql, tenant, kid);
      const after = { ...before, revokedAt: before.revokedAt ?? now };
      writeKey(this.#sql, after);
      return keyChange("key.revoke", before, after);
    });
  }

  // Plans and costs.

  listPlans(): Plan[] {
    return tenants.listPlans(this.#sql);
  }

  putPlan(actor: Actor, given: Plan): Outcome<Plan> {
    return this.#store.change(actor, () => {
      const plan = planSchema.parse(given);
      const before = tenants.findPlan(this.#sql, plan.id) ?? null;
      tenants.checkPlan(this.#sql, plan, this.#largestBody());
      tenants.writePlan(this.#sql, plan);
      return { value: plan, change: { action: "plan.put", subject: plan.id, tenant: null, before, after: plan } };
    });
  }

  deletePlan(actor: Actor, id: string): Outcome<Plan> {
    return this.#store.change(actor, () => {
      const plan = tenants.findPlan(this.#sql, id);
      if (!plan) throw new Refusal("not_found", "there is no such plan");
      tenants.deletePlan(this.#sql, id);
      return { value: plan, change: { action: "plan.delete", subject: id, tenant: null, before: plan, after: null } };
    });
  }

  putCost(actor: Actor, model: string, cost: number): Outcome<{ model: string; cost: number }> {
    return this.#store.change(actor, () => {
      const before = tenants.modelCosts(this.#sql).get(model) ?? null;
      tenants.writeCost(this.#sql, model, cost);
      const value = { model, cost };
      return { value, change: { action: "cost.put", subject: model, tenant: null, before, after: cost } };
    });
  }

  deleteCost(actor: Actor, model: string): Outcome<{ model: string; cost: number }> {
    return this.#store.change(actor, () => {
      const before = tenants.modelCosts(this.#sql).get(model);
      if (before === undefined) throw new Refusal("not_found", "this model has no declared cost");
      tenants.deleteCost(this.#sql, model);
      const value = { model, cost: before };
      return { value, change: { action: "cost.delete", subject: model, tenant: null, before, after: null } };
    });
  }

  // Token issuers. Their keys are fetched here, by the clock; nothing that a token says has a part in it.

  listIssuers(): TokenIssuer[] {
    return listIssuers(this.#sql).map(({ issuer }) => issuer);
  }

  async putIssuer(actor: Actor, given: TokenIssuer): Promise<Outcome<TokenIssuer>> {
    const outcome = this.#store.change(actor, () => {
      const issuer = tokenIssuerSchema.parse(given);
      const before = this.listIssuers().find(({ id }) => id === issuer.id) ?? null;
      writeIssuer(this.#sql, issuer);
      return {
        value: issuer,
        change: { action: "issuer.put", subject: issuer.id, tenant: null, before, after: issuer },
      };
    });
    if (!("refused" in outcome)) await this.ctx.storage.setAlarm(Date.now());
    return outcome;
  }

  deleteIssuer(actor: Actor, id: string): Outcome<TokenIssuer> {
    return this.#store.change(actor, () => {
      const before = this.listIssuers().find((issuer) => issuer.id === id);
      if (!before) throw new Refusal("not_found", "there is no such issuer");
      deleteIssuer(this.#sql, id);
      return { value: before, change: { action: "issuer.delete", subject: id, tenant: null, before, after: null } };
    });
  }

  /** Fetches every issuer's keys; one that cannot be reached keeps those that it has, for as long as the gate trusts them. */
  override async alarm(): Promise<void> {
    const issuers = this.listIssuers();
    let failures = 0;
    for (const issuer of issuers) {
      try {
        writeKeySet(this.#sql, issuer.id, await fetchKeySet(issuer), Date.now());
      } catch (error) {
        failures++;
        const reason = error instanceof Error ? error.message : "unknown";
        console.error(
          JSON.stringify({ level: "error", msg: "an issuer's keys cannot be had", issuer: issuer.id, reason }),
        );
      }
    }
    const pauseMs = failures > 0 ? KEY_SET_RETRY_MS : KEY_SET_LIFE_MS;
    if (issuers.length > 0) await this.ctx.storage.setAlarm(Date.now() + pauseMs * (0.9 + 0.2 * Math.random()));
  }

  // Model routes.

  /** For the gate; null is the word that there is none. */
  resolveRoute(name: string): StoredRoute | null {
    return this.#routes.find(name);
  }

  listRoutes(after: string, limit: number): StoredRoute[] {
    return this.#routes.list(after, limit);
  }

  getRoute(name: string): Outcome<StoredRoute> {
    return this.#routes.get(name);
  }

  putRoute(actor: Actor, route: ModelRoute, expected: number): Outcome<StoredRoute> {
    return this.#routes.put(actor, route, expected);
  }

  deleteRoute(actor: Actor, name: string): Outcome<StoredRoute> {
    return this.#routes.delete(actor, name);
  }

  /** For the rollout's controller (`rollout-controller.ts`). */
  moveRoute(actor: Actor, name: string, rollout: string | null, move: RolloutMove): Outcome<StoredRoute> {
    return this.#routes.move(actor, name, rollout, move);
  }

  /** Newest first. @param tenant null: of all tenants and of the deployment */
  audit(tenant: string | null, before: number | null, limit: number): AuditEntry[] {
    return readAudit(this.#sql, tenant, before, limit);
  }

  // For the machine that the object runs on.

  /** Adds tenants and keys that are not there yet, unaudited: what a stack on one machine starts with. */
  seed(given: { readonly tenants: readonly Tenant[]; readonly keys: readonly ApiKeyRecord[] }): void {
    this.ctx.storage.transactionSync(() => {
      for (const tenant of given.tenants) {
        if (!tenants.tenantExists(this.#sql, tenant.id)) tenants.writeTenant(this.#sql, tenant);
      }
      for (const key of given.keys) if (!findKey(this.#sql, key.kid)) writeKey(this.#sql, key);
      this.#store.nextVersion();
    });
  }

  #liveKey(tenant: string, kid: string): ApiKeyRecord {
    const record = requireKey(this.#sql, tenant, kid);
    if (record.revokedAt !== null) throw new Refusal("conflict", "this key was revoked");
    return record;
  }

  #checkKey(record: ApiKeyRecord): void {
    const problems = scopeProblems(record.scopes);
    if (problems.length > 0) throw new Refusal("invalid_configuration", ...problems);
    tenants.checkKey(this.#sql, record, Date.now());
  }

  #view(tenant: Tenant): TenantView {
    return { ...tenant, effectiveLimits: tenants.effectiveLimits(this.#sql, tenant) };
  }

  #largestBody(): number {
    return Number(this.env.MAX_BODY_BYTES ?? DEFAULT_MAX_BODY_BYTES);
  }
}

function keyChange(action: string, before: ApiKeyRecord | undefined, after: ApiKeyRecord) {
  const value = viewKey(after);
  const was = before === undefined ? null : viewKey(before);
  return { value, change: { action, subject: after.kid, tenant: after.tenant, before: was, after: value } };
}

function viewKey({ secretDigests, ...record }: ApiKeyRecord): KeyView {
  return { ...record, secrets: secretDigests.map(({ notAfter }) => ({ notAfter })) };
}
