/**
 * What the gate knows of the control plane: copies, by how old they may be.
 *
 *     the isolate's memo, 5 s (`identify.ts`)  ->  the data centre's cache, 4 s  ->  the control plane, the truth
 *
 * Together that is less than the ten seconds which are promised: within them a revoked key, a suspended tenant or a lowered limit has taken effect
 * everywhere. That a thing does not exist is never kept, so a key made a second ago works at once.
 *
 * Workers KV is not in this chain: it keeps even what it did not find for a minute, and what it found for as long.
 */

import { z } from "zod";
import { apiKeyRecordSchema } from "../../shared/protocol/api-key.ts";
import { DEFAULT_PLAN } from "../../shared/protocol/tenant.ts";
import { limitsSchema } from "../../shared/protocol/tenant-limits.ts";
import { keySetSchema, tokenIssuerSchema } from "../../shared/protocol/token-issuer.ts";
import type { Bindings } from "../environment.ts";
import {
  CONTROL_PLANE_NAME,
  type Configuration,
  type ResolvedKey,
  type ResolvedTenant,
} from "../objects/control-plane.ts";

const CACHE_SECONDS = 4;

const resolvedTenantSchema = z.object({
  id: z.string(),
  // Copies of the release before lack it, for seconds.
  plan: z.string().default(DEFAULT_PLAN),
  operator: z.boolean(),
  suspended: z.boolean(),
  limits: limitsSchema,
  version: z.int(),
});
const resolvedKeySchema = z.object({ record: apiKeyRecordSchema, tenant: resolvedTenantSchema });
const configurationSchema = z.object({
  version: z.int(),
  costs: z.record(z.string(), z.int()),
  issuers: z.array(z.object({ issuer: tokenIssuerSchema, keySet: keySetSchema.nullable(), fetchedAt: z.int() })),
});

/** Reads through the data centre's cache; `fresh` goes to the control plane itself. */
export class ControlDirectory {
  readonly #bindings: Bindings;
  readonly #keepAlive: (pending: Promise<unknown>) => void;

  constructor(bindings: Bindings, keepAlive: (pending: Promise<unknown>) => void) {
    this.#bindings = bindings;
    this.#keepAlive = keepAlive;
  }

  findKey(kid: string): Promise<ResolvedKey | null> {
    return this.#through(`keys/${kid}`, resolvedKeySchema, () => this.freshKey(kid));
  }

  freshKey(kid: string): Promise<ResolvedKey | null> {
    return this.#truth().resolveKey(kid);
  }

  findTenant(id: string): Promise<ResolvedTenant | null> {
    return this.#through(`tenants/${id}`, resolvedTenantSchema, () => this.#truth().resolveTenant(id));
  }

  async configuration(): Promise<Configuration> {
    const found = await this.#through("configuration", configurationSchema, () => this.#truth().configuration());
    if (!found) throw new Error("the control plane has no configuration");
    return found;
  }

  keyUsed(kid: string, at: number): void {
    this.#keepAlive(this.#truth().keyUsed(kid, at));
  }

  #truth() {
    return this.#bindings.CONTROL_PLANE.getByName(CONTROL_PLANE_NAME);
  }

  async #through<Value>(
    path: string,
    schema: z.ZodType<Value>,
    read: () => Promise<Value | null>,
  ): Promise<Value | null> {
    // A name that only this Worker can ask for: the Cache API is keyed by URL, and no request reaches it from outside.
    const key = `https://control-plane.invalid/${this.#bindings.ENVIRONMENT}/${path}`;
    const cached = await caches.default.match(key);
    if (cached) return schema.parse(await cached.json());
    const value = await read();
    if (value !== null) {
      const headers = { "cache-control": `max-age=${CACHE_SECONDS}` };
      this.#keepAlive(caches.default.put(key, Response.json(value, { headers })));
    }
    return value;
  }
}
