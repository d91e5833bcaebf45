/**
 * What happens when more is asked than the device can do: goodput (answers inside their deadline a second), latency of
 * what is admitted, speed of refusals and batch size, from a quarter of the capacity to four times it; then whether
 * important requests get through a flood of others, and whether a tenant notices another one's flood. All open-loop.
 */
import type { ArrivalProcess } from "./arrivals.ts";
import { type BenchModel, CONVOLUTIONAL, HEAVY, placeModel } from "./bench-model.ts";
import { loadOnce } from "./compare.ts";
import { runGenerator } from "./generator.ts";
import { type OpenLoopResult, type OpenLoopSettings, openLoopResult, type StreamResult } from "./open-loop.ts";
import { poolStatistics, since } from "./pool-statistics.ts";
import { binaryRequest, type RunningSubject, startOpenPool } from "./subjects.ts";

const LOADS = [0.25, 0.5, 0.75, 0.9, 1, 1.25, 1.5, 2, 4];
const CONNECTIONS = 512;
const MEASURE_MS = 4_000;
const WARM_UP_MS = 1_500;
/** Deadline in multiples of what 128 closed-loop callers wait for an answer. */
const DEADLINE_FACTOR = 2;

export interface LoadPoint {
  /** In multiples of the capacity. */
  readonly load: number;
  readonly offeredPerSecond: number;
  readonly goodputPerSecond: number;
  readonly goodputOfPeak: number;
  /** Of the admitted, from the intended time of sending. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the refused, from the moment of writing. */
  readonly refusalP50Ms: number;
  readonly refused: number;
  /** Admitted, and not answered in time. */
  readonly missed: number;
  readonly meanBatchRows: number;
  readonly deadWork: number;
  /** How late the generator was, at p99. */
  readonly generatorLateMs: number;
}

export interface OverloadResult {
  readonly model: string;
  readonly capacityPerSecond: number;
  readonly deadlineMs: number;
  readonly points: readonly LoadPoint[];
}

export async function overload(model: BenchModel = HEAVY): Promise<OverloadResult> {
  return withPool(model, async (pool) => {
    const closed = await loadOnce(
      { label: "pool", port: pool.port, request: binaryRequest("bench", model.shape) },
      128,
    );
    const capacityPerSecond = closed.requestsPerSecond;
    const deadlineMs = Math.ceil(closed.p50Ms * DEADLINE_FACTOR);
    const request = binaryRequest("bench", model.shape, timeout(deadlineMs));
    const points: Omit<LoadPoint, "goodputOfPeak">[] = [];
    for (const load of LOADS) {
      const before = await poolStatistics(pool.port);
      const offered = await offer(pool, [stream("all", request, poisson(load * capacityPerSecond), deadlineMs)]);
      const done = since(before, await poolStatistics(pool.port));
      const [all] = offered.streams;
      if (!all) throw new Error("the generator has lost its stream");
      points.push({
        load,
        offeredPerSecond: all.offeredPerSecond,
        goodputPerSecond: all.goodputPerSecond,
        p50Ms: all.latencyMs.p50,
        p99Ms: all.latencyMs.p99,
        refusalP50Ms: all.refusalAfterWriteMs.p50,
        refused: refusedOf(all),
        missed: done.missed,
        meanBatchRows: done.rows / Math.max(1, done.batches),
        deadWork: done.deadWork,
        generatorLateMs: offered.generatorLateMs.p99,
      });
    }
    const peak = Math.max(...points.map((point) => point.goodputPerSecond));
    return {
      model: model.label,
      capacityPerSecond,
      deadlineMs,
      points: points.map((point) => ({ ...point, goodputOfPeak: point.goodputPerSecond / peak })),
    };
  });
}

export interface ClassResult {
  readonly critical: StreamResult;
  readonly sheddable: StreamResult;
  /** Part of the critical requests that were answered in time. */
  readonly criticalSuccess: number;
}

/** CRITICAL at 0.3 times the capacity beside SHEDDABLE at three times. */
export async function classesUnderFlood(model: BenchModel = HEAVY): Promise<ClassResult> {
  return withPool(model, async (pool) => {
    const closed = await loadOnce(
      { label: "pool", port: pool.port, request: binaryRequest("bench", model.shape) },
      128,
    );
    const capacity = closed.requestsPerSecond;
    const deadlineMs = Math.ceil(closed.p50Ms * DEADLINE_FACTOR);
    const of = (priority: number) => binaryRequest("bench", model.shape, timeout(deadlineMs), { priority });
    const { streams } = await offer(
      pool,
      [
        stream("critical", of(1), poisson(0.3 * capacity), deadlineMs),
        stream("sheddable", of(3), poisson(3 * capacity), deadlineMs),
      ],
      10_000,
    );
    const [critical, sheddable] = streams;
    if (!critical || !sheddable) throw new Error("the generator has lost a stream");
    return { critical, sheddable, criticalSuccess: (critical.goodputPerSecond * 10) / critical.offered };
  });
}

export interface TenantResult {
  /** With both tenants at their share, and with the other one at fifty times its share. */
  readonly calm: StreamResult;
  readonly flooded: StreamResult;
  readonly flood: StreamResult;
  /** The first tenant's p99 with the flood over that without. */
  readonly p99Ratio: number;
}

/** A tenant at its share of the device, beside one at its share and then at fifty times that. */
export async function tenantsUnderFlood(model: BenchModel = CONVOLUTIONAL): Promise<TenantResult> {
  return withPool(model, async (pool) => {
    const closed = await loadOnce({ label: "pool", port: pool.port, request: binaryRequest("bench", model.shape) }, 16);
    const share = 0.45 * closed.requestsPerSecond;
    const deadlineMs = 1_000;
    const of = (tenant: string) =>
      binaryRequest("bench", model.shape, { ...timeout(deadlineMs), "x-warmgate-tenant": tenant });
    const victim = stream("victim", of("victim"), poisson(share), deadlineMs);
    const other = (factor: number) => stream("other", of("other"), poisson(share * factor), deadlineMs);
    const before = await offer(pool, [victim, other(1)], 20_000);
    const during = await offer(pool, [victim, other(50)], 20_000);
    const [calm] = before.streams;
    const [flooded, flood] = during.streams;
    if (!calm || !flooded || !flood) throw new Error("the generator has lost a stream");
    return { calm, flooded, flood, p99Ratio: flooded.latencyMs.p99 / calm.latencyMs.p99 };
  });
}

async function withPool<T>(model: BenchModel, measure: (pool: RunningSubject) => Promise<T>): Promise<T> {
  const placed = placeModel(model);
  const pool = await startOpenPool([placed.folder], ["--slots", "1"]);
  try {
    return await measure(pool);
  } finally {
    await pool.stop();
    placed.remove();
  }
}

async function offer(
  pool: RunningSubject,
  streams: OpenLoopSettings["streams"],
  measureMs = MEASURE_MS,
): Promise<OpenLoopResult> {
  const settings = { port: pool.port, streams, connections: CONNECTIONS, warmUpMs: WARM_UP_MS, measureMs, seed: 1 };
  return openLoopResult.parse(await runGenerator(new URL("./open-loop.ts", import.meta.url), settings));
}

function stream(
  label: string,
  request: Buffer,
  arrivals: ArrivalProcess,
  deadlineMs: number,
): OpenLoopSettings["streams"][number] {
  return { label, request: request.toString("base64"), arrivals, deadlineMs };
}

function poisson(perSecond: number): ArrivalProcess {
  return { kind: "poisson", perSecond };
}

function timeout(ms: number): Record<string, string> {
  return { "x-warmgate-timeout-ms": String(ms) };
}

function refusedOf({ statuses }: StreamResult): number {
  return (statuses["503"] ?? 0) + (statuses["504"] ?? 0);
}
