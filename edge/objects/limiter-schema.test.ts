import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { sqliteStorage } from "../../test/support/sqlite-storage.ts";
import { migrate } from "./control/schema.ts";
import { accountStateSchema, LIMITER_MIGRATIONS } from "./limiter-schema.ts";

test("a tenant's debt and quotas of the first version are kept, and what is owed begins where the bucket was full", () => {
  const database = new DatabaseSync(":memory:");
  const storage = sqliteStorage(database) as unknown as SqlStorage;
  migrate(storage, LIMITER_MIGRATIONS.slice(0, 1));
  const limits = { rate: { perSecond: 1.5, burst: 2 }, concurrency: null, quotaPerDay: null, quotaPerMonth: 100 };
  const kept = { version: 3, limits, tat: 1_795_851_234_567.25, day: 20_785, dayUnits: 4, month: 682, monthUnits: 9 };
  const first = JSON.stringify({ ...kept, fullAt: 1_795_851_230_000 });
  database.prepare("INSERT INTO accounts (name, state) VALUES ('tenant', ?)").run(first);
  migrate(storage, LIMITER_MIGRATIONS);
  const { state } = { ...database.prepare("SELECT state FROM accounts").get() };
  assert.deepEqual(accountStateSchema.parse(JSON.parse(String(state))), {
    ...kept,
    debtLows: [{ at: 1_795_851_230_000, ms: 0 }],
  });
});
