/** API keys in the control plane's tables. */
import { z } from "zod";
import { type ApiKeyRecord, apiKeyRecordSchema } from "../../../shared/protocol/api-key.ts";
import { Refusal } from "./outcome.ts";

const MOST_KEYS_OF_TENANT = 10_000;

export function findKey(sql: SqlStorage, kid: string): ApiKeyRecord | null {
  const [row] = sql.exec("SELECT record FROM api_keys WHERE kid = ?", kid);
  return row ? parseRecord(row.record) : null;
}

/** @throws Refusal `not_found`, also for a key of another tenant */
export function requireKey(sql: SqlStorage, tenant: string, kid: string): ApiKeyRecord {
  const record = findKey(sql, kid);
  if (record?.tenant !== tenant) throw new Refusal("not_found", "there is no such key");
  return record;
}

/** In the order of their ids. @param after the last id of the page before */
export function listKeys(sql: SqlStorage, tenant: string, after: string, limit: number): ApiKeyRecord[] {
  const rows = sql.exec(
    "SELECT record FROM api_keys WHERE tenant = ? AND kid > ? ORDER BY kid LIMIT ?",
    tenant,
    after,
    limit,
  );
  return [...rows].map(({ record }) => parseRecord(record));
}

/** @throws Refusal `conflict` when the tenant has as many keys as it may */
export function insertKey(sql: SqlStorage, record: ApiKeyRecord): void {
  const { count } = sql.exec("SELECT COUNT(*) AS count FROM api_keys WHERE tenant = ?", record.tenant).one();
  if (z.int().parse(count) >= MOST_KEYS_OF_TENANT) {
    throw new Refusal("conflict", `a tenant may have ${MOST_KEYS_OF_TENANT} keys, revoked ones included`);
  }
  writeKey(sql, record);
}

export function writeKey(sql: SqlStorage, record: ApiKeyRecord): void {
  const checked = apiKeyRecordSchema.parse(record);
  sql.exec(
    `INSERT INTO api_keys (kid, tenant, record) VALUES (?, ?, ?)
     ON CONFLICT (kid) DO UPDATE SET tenant = excluded.tenant, record = excluded.record`,
    checked.kid,
    checked.tenant,
    JSON.stringify(checked),
  );
}

function parseRecord(text: unknown): ApiKeyRecord {
  return apiKeyRecordSchema.parse(JSON.parse(z.string().parse(text)));
}
