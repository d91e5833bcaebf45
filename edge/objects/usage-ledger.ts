/**
 * What one tenant has used, by hour and model: the only owner of these figures.
 *
 * Promises: a batch that is told twice counts once, so isolates may tell it again until they know that it arrived; what was
 * acknowledged survives eviction, restarts and deploys. Kept for `KEPT_DAYS`.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import type { Bindings } from "../environment.ts";
import { migrate } from "./control/schema.ts";

const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
export const usageCountsSchema = z.strictObject({
  requests: count.int(),
  rows: count.int(),
  /** Shares of the batches that the requests were in. */
  deviceMs: count,
  cacheHits: count.int(),
});
export type UsageCounts = z.infer<typeof usageCountsSchema>;

const entrySchema = usageCountsSchema.extend({ model: z.string().min(1).max(128), hour: z.int() });
/** `hour`: hours since 1970. */
export type UsageEntry = z.infer<typeof entrySchema>;

export const usageBatchSchema = z.strictObject({ id: z.uuid(), entries: z.array(entrySchema).min(1).max(1_000) });
export type UsageBatch = z.infer<typeof usageBatchSchema>;

export const USAGE_GROUPS = ["total", "model", "hour", "day"] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

export interface UsageLine extends UsageCounts {
  /** Present when the lines are by model. */
  readonly model?: string;
  /** Hours since 1970; present when the lines are by hour, and by day its first. */
  readonly hour?: number;
}

const KEPT_DAYS = 400;
/** For longer than any isolate goes on telling a batch. */
const BATCH_IDS_KEPT_MS = 3_600_000;
const HOUR_MS = 3_600_000;
const MOST_LINES = 10_000;

const MIGRATIONS = [
  `CREATE TABLE usage (
     hour INTEGER NOT NULL,
     model TEXT NOT NULL,
     requests INTEGER NOT NULL,
     rows INTEGER NOT NULL,
     device_ms REAL NOT NULL,
     cache_hits INTEGER NOT NULL,
     PRIMARY KEY (hour, model)
   ) WITHOUT ROWID;
   CREATE TABLE batches (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
   CREATE INDEX batches_by_age ON batches (at);`,
];

const GROUPING: Record<UsageGroup, { readonly columns: string; readonly by: string }> = {
  total: { columns: "", by: "" },
  model: { columns: "model,", by: "GROUP BY model ORDER BY model" },
  hour: { columns: "hour,", by: "GROUP BY hour ORDER BY hour" },
  day: { columns: "hour - hour % 24 AS hour,", by: "GROUP BY hour - hour % 24 ORDER BY 1" },
};

const lineSchema = z.object({
  model: z.string().optional(),
  hour: z.int().optional(),
  requests: z.number(),
  rows: z.number(),
  device_ms: z.number(),
  cache_hits: z.number(),
});

export class UsageLedger extends DurableObject<Bindings> {
  readonly #sql: SqlStorage;

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings);
    this.#sql = state.storage.sql;
    state.storage.transactionSync(() => migrate(this.#sql, MIGRATIONS));
  }

  /** Adds a batch, once. */
  record(given: UsageBatch): void {
    const { id, entries } = usageBatchSchema.parse(given);
    const now = Date.now();
    this.ctx.storage.transactionSync(() => {
      if (this.#sql.exec("INSERT OR IGNORE INTO batches (id, at) VALUES (?, ?)", id, now).rowsWritten === 0) return;
      for (const { hour, model, requests, rows, deviceMs, cacheHits } of entries) {
        this.#sql.exec(
          `INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (hour, model) DO UPDATE SET
             requests = requests + excluded.requests, rows = rows + excluded.rows,
             device_ms = device_ms + excluded.device_ms, cache_hits = cache_hits + excluded.cache_hits`,
          ...[hour, model, requests, rows, deviceMs, cacheHits],
        );
      }
      this.#sql.exec("DELETE FROM batches WHERE at < ?", now - BATCH_IDS_KEPT_MS);
      this.#sql.exec("DELETE FROM usage WHERE hour < ?", Math.floor(now / HOUR_MS) - KEPT_DAYS * 24);
    });
  }

  /**
   * @param fromHour first hour since 1970
   * @param toHour the hour after the last
   */
  read(fromHour: number, toHour: number, group: UsageGroup): UsageLine[] {
    const { columns, by } = GROUPING[group];
    const rows = this.#sql.exec(
      `SELECT ${columns} COALESCE(SUM(requests), 0) AS requests, COALESCE(SUM(rows), 0) AS rows,
         COALESCE(SUM(device_ms), 0) AS device_ms, COALESCE(SUM(cache_hits), 0) AS cache_hits
       FROM usage WHERE hour >= ? AND hour < ? ${by} LIMIT ${MOST_LINES}`,
      fromHour,
      toHour,
    );
    return [...rows].map((row) => {
      const { model, hour, requests, rows: count, device_ms: deviceMs, cache_hits: cacheHits } = lineSchema.parse(row);
      return {
        ...(model === undefined ? {} : { model }),
        ...(hour === undefined ? {} : { hour }),
        ...{ requests, rows: count, deviceMs, cacheHits },
      };
    });
  }
}
