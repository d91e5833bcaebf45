import assert from "node:assert/strict";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";

/** The part of a Durable Object's `SqlStorage` that ours use, over the same SQLite. Its types are the platform's, which are not known here. */
export function sqliteStorage(database: DatabaseSync) {
  const exec = (statement: string, ...values: (SQLInputValue | ArrayBuffer)[]) => {
    // Only exec() runs several statements, as migrations are; it gives no rows.
    if (values.length === 0 && !/^(SELECT|INSERT)/.test(statement)) return void database.exec(statement);
    const bound = values.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value));
    const found = database.prepare(statement).all(...bound);
    const rows = found.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [name, value instanceof Uint8Array ? value.slice().buffer : value]),
      ),
    );
    return Object.assign(rows, { one: () => rows[0] ?? assert.fail("there is no row") });
  };
  return { exec };
}
