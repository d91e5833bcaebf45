/** The control plane's tables. Each migration is applied once, in order; a deployed one never changes. */
import { z } from "zod";

export const MIGRATIONS = [
  `CREATE TABLE tenants (id TEXT PRIMARY KEY, created_at INTEGER NOT NULL);
   CREATE TABLE api_keys (
     kid TEXT PRIMARY KEY,
     tenant TEXT NOT NULL REFERENCES tenants (id),
     record TEXT NOT NULL
   );`,
  // Documents beside what is searched by: their form is checked by one schema, in code, whenever they are read.
  `ALTER TABLE tenants ADD COLUMN record TEXT NOT NULL DEFAULT '{}';
   CREATE INDEX api_keys_of_tenant ON api_keys (tenant, kid);
   CREATE TABLE plans (id TEXT PRIMARY KEY, record TEXT NOT NULL);
   CREATE TABLE model_costs (model TEXT PRIMARY KEY, cost INTEGER NOT NULL);
   CREATE TABLE issuers (id TEXT PRIMARY KEY, record TEXT NOT NULL, key_set TEXT);
   CREATE TABLE config_version (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
   INSERT INTO config_version VALUES (1, 1);
   CREATE TABLE audit (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     at INTEGER NOT NULL,
     actor TEXT NOT NULL,
     action TEXT NOT NULL,
     subject TEXT NOT NULL,
     tenant TEXT,
     before TEXT,
     after TEXT,
     version INTEGER NOT NULL,
     request_id TEXT NOT NULL
   );
   CREATE INDEX audit_of_tenant ON audit (tenant, id);`,
  `CREATE TABLE model_routes (name TEXT PRIMARY KEY, record TEXT NOT NULL, revision INTEGER NOT NULL);`,
];

/** @param sql inside a transaction: half a migration must not be left behind */
export function migrate(sql: SqlStorage, migrations: readonly string[] = MIGRATIONS): void {
  sql.exec("CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY)");
  const row = sql.exec("SELECT COALESCE(MAX(id), 0) AS last FROM migrations").one();
  const last = z.int().parse(row.last);
  for (const [index, statements] of migrations.entries()) {
    if (index < last) continue;
    sql.exec(statements);
    sql.exec("INSERT INTO migrations (id) VALUES (?)", index + 1);
  }
}
