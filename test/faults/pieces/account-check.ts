/** I6: the edge's log has one line for each request, and each node's metrics say what became of every one that it received. */
import { z } from "zod";
import { CACHE_STATUS } from "../../../shared/protocol/headers.ts";
import type { ClientRecord } from "./client-record.ts";
import { jsonContent } from "./json-content.ts";

/** Figures of a scrape, by name with labels as Prometheus writes them (`support/pool-metrics.ts`). */
export type Figures = ReadonlyMap<string, number>;

export interface PoolFigures {
  readonly node: string;
  readonly before: Figures;
  /** When all requests have ended; undefined of a node that has ended too. */
  readonly after: Figures | undefined;
}

const OUTCOMES = ["ok", "rejected", "failed", "cancelled"];
const RECEIVED = "warmgate_pool_requests_received_total";
const DEAD_WORK = "warmgate_pool_dead_work_total";
const STARTED_AT = "process_start_time_seconds";
/** What is under way, so nothing when all is over. */
const GAUGES = ["requests_in_flight", "queued_requests", "queued_rows", "queued_bytes", "running_batches"];

/** Of a request; other lines have no status. */
const lineSchema = z.looseObject({ request_id: z.string(), status: z.int(), tenant: z.string().optional() });
type LogLine = z.infer<typeof lineSchema>;

export function brokenInLog(records: readonly ClientRecord[], edgeLog: readonly string[]): string[] {
  const linesById = new Map<string, LogLine[]>();
  for (const text of edgeLog.flatMap((lines) => lines.split("\n"))) {
    const line = lineSchema.safeParse(jsonContent(text)).data;
    if (!line) continue;
    const others = linesById.get(line.request_id);
    if (others) others.push(line);
    else linesById.set(line.request_id, [line]);
  }
  return records.flatMap(({ id, tenant, outcome }) => {
    const lines = linesById.get(id) ?? [];
    const who = `request ${id} of ${tenant}`;
    // One that was never answered may never have come to the edge.
    const isAccounted = lines.length === 1 || (lines.length === 0 && outcome.kind === "unanswered");
    if (!isAccounted) return [`I6: the log has ${lines.length} lines for ${who}`];
    const [line] = lines;
    if (!line) return [];
    const broken: string[] = [];
    if (outcome.kind === "answered" && line.status !== outcome.status) {
      broken.push(`I6: the log says ${line.status} of ${who}, who was told ${outcome.status}`);
    }
    if (line.tenant !== undefined && line.tenant !== tenant) {
      broken.push(`I6: the log says that ${who} was of ${line.tenant}`);
    }
    return broken;
  });
}

export function brokenInMetrics(records: readonly ClientRecord[], pools: readonly PoolFigures[]): string[] {
  return [...pools.flatMap(brokenInNode), ...answersWithoutRun(records, pools)];
}

function brokenInNode({ node, before, after }: PoolFigures): string[] {
  if (!after) return [];
  const broken: string[] = [];
  const received = after.get(RECEIVED);
  const outcomes = OUTCOMES.map((outcome) => [outcome, outcomeOf(after, outcome)] as const);
  const sum = outcomes.reduce((total, [, count]) => total + count, 0);
  if (received === undefined) broken.push(`I6: node ${node} does not say how many requests it has received`);
  else if (received !== sum) {
    const parts = outcomes.map(([outcome, count]) => `${count} ${outcome}`).join(" + ");
    broken.push(`I6: node ${node} has received ${received} requests, and ${parts} is ${sum}`);
  }
  for (const gauge of GAUGES) {
    for (const [name, value] of series(after, `warmgate_pool_${gauge}`)) {
      if (value !== 0) broken.push(`I6: ${name} of node ${node} is ${value} when all is over`);
    }
  }
  const sameProcess = isSameProcess({ before, after });
  for (const [name, value] of series(after, DEAD_WORK)) {
    const grown = value - (sameProcess ? (before.get(name) ?? 0) : 0);
    if (grown > 0) broken.push(`I6: node ${node} has run ${grown} rows that nobody waited for: ${name}`);
  }
  return broken;
}

/** Each answer that no cache gave was made by a node; told only while no node has lost its count. */
function answersWithoutRun(records: readonly ClientRecord[], pools: readonly PoolFigures[]): string[] {
  if (pools.length === 0) return [];
  let made = 0;
  for (const { before, after } of pools) {
    if (!after || !isSameProcess({ before, after })) return [];
    made += outcomeOf(after, "ok") - outcomeOf(before, "ok");
  }
  const told = records.filter(
    ({ outcome }) =>
      outcome.kind === "answered" &&
      outcome.status === 200 &&
      !/; (?:hit|collapsed)\b/.test(outcome.headers[CACHE_STATUS] ?? ""),
  ).length;
  return told > made ? [`I6: ${told} requests were answered by nodes that say they have answered ${made}`] : [];
}

function outcomeOf(figures: Figures, outcome: string): number {
  return figures.get(`warmgate_pool_requests_total{outcome="${outcome}"}`) ?? 0;
}

/** One name with all its labels. */
function series(figures: Figures, name: string): [string, number][] {
  return [...figures].filter(([full]) => full === name || full.startsWith(`${name}{`));
}

function isSameProcess({ before, after }: { readonly before: Figures; readonly after: Figures }): boolean {
  return before.get(STARTED_AT) === after.get(STARTED_AT);
}
