/** What comes a moment after the last answer: lines of the edge's log, and figures of nodes that still had something under way. */
import { setTimeout as delay } from "node:timers/promises";
import { isAlive, type PoolProcess } from "../../support/pool.ts";
import { scrape } from "../../support/pool-metrics.ts";
import type { Figures, PoolFigures } from "./account-check.ts";
import type { ClientRecord } from "./client-record.ts";

/** Longer than the edge gathers log lines for, and a process that is held up takes to write them. */
const LOGGED_MS = 1_000;
const FIGURES_MS = 3_000;

/** Resolves when the log has a line for each that was answered, or when it will not have one any more. */
export async function allLogged(records: readonly ClientRecord[], log: readonly string[]): Promise<void> {
  const giveUpAt = performance.now() + LOGGED_MS;
  let missing = records.filter(({ outcome }) => outcome.kind === "answered").map(({ id }) => id);
  for (let read = 0; missing.length > 0 && performance.now() < giveUpAt; await delay(20)) {
    const lines = log.slice(read).join("\n");
    read = log.length;
    // Others tell why a request failed.
    const ended = new Set(lines.matchAll(/"request_id":"([^"]+)"[^\n]*"status":/g).map(([, id]) => id));
    missing = missing.filter((id) => !ended.has(id));
  }
}

/** A node's figures once it has nothing under way any more, or when it should not have. @param before when it was ready */
export async function settledFigures(pool: PoolProcess, before: Figures): Promise<PoolFigures> {
  const { pid, port } = pool.serving;
  const node = String(port);
  const isThere = isAlive(pid) && pool.child.exitCode === null && pool.child.signalCode === null;
  if (!isThere) return { node, before, after: undefined };
  const giveUpAt = performance.now() + FIGURES_MS;
  for (;;) {
    const after = await scrape(pool);
    const inFlight = after.get("warmgate_pool_requests_in_flight") ?? 0;
    if (inFlight === 0 || performance.now() > giveUpAt) return { node, before, after };
    await delay(50);
  }
}
