/**
 * The truth about tenants and API keys. One object for a deployment; isolates only copy what they read from it, for
 * seconds. Everything is kept in SQLite, so it survives eviction, restarts and deploys.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { type ApiKeyRecord, apiKeyRecordSchema } from "../../shared/protocol/api-key.ts";
import type { Bindings } from "../environment.ts";

export const CONTROL_PLANE_NAME = "main";

const tenantSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  createdAt: z.int(),
});
export type Tenant = z.infer<typeof tenantSchema>;

/** Each is applied once, in order; a deployed one never changes. */
const MIGRATIONS = [
  `CREATE TABLE tenants (id TEXT PRIMARY KEY, created_at INTEGER NOT NULL);
   CREATE TABLE api_keys (
     kid TEXT PRIMARY KEY,
     tenant TEXT NOT NULL REFERENCES tenants (id),
     record TEXT NOT NULL
   );`,
];

export class ControlPlane extends DurableObject<Bindings> {
  readonly #sql: SqlStorage;

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings);
    this.#sql = state.storage.sql;
    state.storage.transactionSync(() => this.#migrate());
  }

  /** Adds a tenant; one that exists stays as it is. @throws Error when the tenant is not valid */
  putTenant(tenant: Tenant): void {
    const { id, createdAt } = tenantSchema.parse(tenant);
    this.#sql.exec("INSERT INTO tenants (id, created_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING", id, createdAt);
  }

  /** Adds or replaces a key. @throws Error when the record is not valid or its tenant does not exist */
  putKey(record: ApiKeyRecord): void {
    const checked = apiKeyRecordSchema.parse(record);
    this.#sql.exec(
      "INSERT INTO api_keys (kid, tenant, record) VALUES (?, ?, ?) ON CONFLICT (kid) DO UPDATE SET tenant = excluded.tenant, record = excluded.record",
      checked.kid,
      checked.tenant,
      JSON.stringify(checked),
    );
  }

  /** The key of that id, revoked and expired ones included; null when there is none. */
  findKey(kid: string): ApiKeyRecord | null {
    const [row] = this.#sql.exec("SELECT record FROM api_keys WHERE kid = ?", kid).toArray();
    return row ? apiKeyRecordSchema.parse(JSON.parse(z.string().parse(row.record))) : null;
  }

  #migrate(): void {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY)");
    const [row] = this.#sql.exec("SELECT COALESCE(MAX(id), 0) AS last FROM migrations").toArray();
    const last = z.int().parse(row?.last);
    for (const [index, statements] of MIGRATIONS.entries()) {
      if (index < last) continue;
      this.#sql.exec(statements);
      this.#sql.exec("INSERT INTO migrations (id) VALUES (?)", index + 1);
    }
  }
}
