import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { sqliteStorage } from "../../../test/support/sqlite-storage.ts";
import { MIGRATIONS, migrate } from "./schema.ts";

const storageOf = (database: DatabaseSync) => sqliteStorage(database) as unknown as SqlStorage;

function tablesOf(database: DatabaseSync): unknown[] {
  return database.prepare("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name").all();
}

test("a state of every earlier version ends with the tables of a new one, and keeps its rows", () => {
  const fresh = new DatabaseSync(":memory:");
  migrate(storageOf(fresh));
  for (let version = 1; version < MIGRATIONS.length; version++) {
    const old = new DatabaseSync(":memory:");
    migrate(storageOf(old), MIGRATIONS.slice(0, version));
    old.exec(`INSERT INTO tenants (id, created_at) VALUES ('acme', 5);
              INSERT INTO api_keys (kid, tenant, record) VALUES ('k1', 'acme', '{}');`);
    migrate(storageOf(old));
    assert.deepEqual(tablesOf(old), tablesOf(fresh), `from version ${version}`);
    assert.deepEqual({ ...old.prepare("SELECT id, created_at FROM tenants").get() }, { id: "acme", created_at: 5 });
    assert.deepEqual({ ...old.prepare("SELECT kid, tenant FROM api_keys").get() }, { kid: "k1", tenant: "acme" });
  }
});

test("migrations are applied once", () => {
  const database = new DatabaseSync(":memory:");
  const storage = storageOf(database);
  migrate(storage);
  database.exec("UPDATE config_version SET version = 7");
  migrate(storage);
  assert.deepEqual({ ...database.prepare("SELECT version FROM config_version").get() }, { version: 7 });
});
