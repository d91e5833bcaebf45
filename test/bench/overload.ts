/**
 * What happens when more is asked than the device can do: goodput (answers inside their deadline a second), latency of
 * what is admitted, speed of refusals and batch size, from a quarter of the capacity to four times it; then whether
 * important requests get through a flood of others, and whether a tenant notices another one's flood. All open-loop.
 */
import type { ArrivalProcess } from "./arrivals.ts";
import { type BenchModel, DEEP, DEEPER, placeModel } from "./bench-model.ts";
import { loadOnce, median } from "./compare.ts";
import { runGenerator } from "./generator.ts";
import { type OpenLoopResult, type OpenLoopSettings, openLoopResult, type StreamResult } from "./open-loop.ts";
import { poolStatistics, since } from "./pool-statistics.ts";
import { binaryRequest, type RunningSubject, startOpenPool } from "./subjects.ts";
import type { LineChart } from "./svg-chart.ts";

const LOADS = [0.25, 0.5, 0.75, 0.9, 1, 1.25, 1.5, 2, 4];
const LARGEST_BATCH = 16;
/** Of the slower model, so that a batch takes as long as one of the quicker. */
const SMALL_BATCH = 4;
/** More than can be in flight by then, so that none is waited for. */
const CONNECTIONS = 2_048;
const MEASURE_MS = 4_000;
const WARM_UP_MS = 1_500;
/** Deadline in multiples of what 64 closed-loop callers wait for an answer. */
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

/** @param rounds how often each load is offered, in turns; medians count */
export async function overload(rounds: number, model: BenchModel = DEEP): Promise<OverloadResult> {
  return withPool(model, LARGEST_BATCH, async (pool) => {
    const { capacityPerSecond, deadlineMs } = await capacityOf(pool, model, 64);
    const request = binaryRequest("bench", model.shape, timeout(deadlineMs));
    const points = new Map<number, Point[]>(LOADS.map((load) => [load, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [load, measured] of points) {
        const before = await poolStatistics(pool.port);
        const offered = await offer(pool, [stream("all", request, poisson(load * capacityPerSecond), deadlineMs)]);
        const done = since(before, await poolStatistics(pool.port));
        const [all] = offered.streams;
        if (!all) throw new Error("the generator has lost its stream");
        measured.push({
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
    }
    const medians = [...points].map(([load, measured]) => ({ load, ...medianPoint(measured) }));
    const peak = Math.max(...medians.map((point) => point.goodputPerSecond));
    return {
      model: model.label,
      capacityPerSecond,
      deadlineMs,
      points: medians.map((point) => ({ ...point, goodputOfPeak: point.goodputPerSecond / peak })),
    };
  });
}

type Point = Omit<LoadPoint, "load" | "goodputOfPeak">;

function medianPoint(measured: readonly Point[]): Point {
  const of = (read: (point: Point) => number) => median(measured.map(read));
  return {
    offeredPerSecond: of((point) => point.offeredPerSecond),
    goodputPerSecond: of((point) => point.goodputPerSecond),
    p50Ms: of((point) => point.p50Ms),
    p99Ms: of((point) => point.p99Ms),
    refusalP50Ms: of((point) => point.refusalP50Ms),
    refused: of((point) => point.refused),
    missed: of((point) => point.missed),
    meanBatchRows: of((point) => point.meanBatchRows),
    deadWork: of((point) => point.deadWork),
    generatorLateMs: of((point) => point.generatorLateMs),
  };
}

/** What closed-loop callers get, and a deadline that leaves room for a queue. */
async function capacityOf(
  { port }: RunningSubject,
  { shape }: BenchModel,
  callers: number,
): Promise<{ readonly capacityPerSecond: number; readonly deadlineMs: number }> {
  const closed = await loadOnce({ label: "pool", port, request: binaryRequest("bench", shape) }, callers);
  return { capacityPerSecond: closed.requestsPerSecond, deadlineMs: Math.ceil(closed.p50Ms * DEADLINE_FACTOR) };
}

export interface ClassResult {
  readonly critical: StreamResult;
  readonly sheddable: StreamResult;
  /** Part of the critical requests that were answered in time. */
  readonly criticalSuccess: number;
}

/** CRITICAL at 0.3 times the capacity beside SHEDDABLE at three times. */
export async function classesUnderFlood(model: BenchModel = DEEP): Promise<ClassResult> {
  return withPool(model, LARGEST_BATCH, async (pool) => {
    const { capacityPerSecond: capacity, deadlineMs } = await capacityOf(pool, model, 64);
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
  /** With both tenants at their share, and with the other one at fifty times its share; one of each a round. */
  readonly calm: readonly StreamResult[];
  readonly flooded: readonly StreamResult[];
  /** The first tenant's p99 with the flood over that without, round by round. */
  readonly p99Ratios: readonly number[];
  readonly medianRatio: number;
}

/** A tenant at its share of the device, beside one at its share and then at fifty times that. */
export async function tenantsUnderFlood(rounds: number, model: BenchModel = DEEPER): Promise<TenantResult> {
  return withPool(model, SMALL_BATCH, async (pool) => {
    const { capacityPerSecond, deadlineMs } = await capacityOf(pool, model, 16);
    const share = 0.45 * capacityPerSecond;
    const of = (tenant: string) =>
      binaryRequest("bench", model.shape, { ...timeout(deadlineMs), "x-warmgate-tenant": tenant });
    const victim = stream("victim", of("victim"), poisson(share), deadlineMs);
    const other = (factor: number) => stream("other", of("other"), poisson(share * factor), deadlineMs);
    const victimBeside = async (factor: number) => {
      const [result] = (await offer(pool, [victim, other(factor)], 30_000)).streams;
      if (!result) throw new Error("the generator has lost a stream");
      return result;
    };
    const calm: StreamResult[] = [];
    const flooded: StreamResult[] = [];
    for (let round = 0; round < rounds; round++) {
      calm.push(await victimBeside(1));
      flooded.push(await victimBeside(50));
    }
    const p99Ratios = flooded.map((one, round) => one.latencyMs.p99 / (calm[round]?.latencyMs.p99 ?? Number.NaN));
    return { calm, flooded, p99Ratios, medianRatio: median(p99Ratios) };
  });
}

async function withPool<T>(
  model: BenchModel,
  maxBatch: number,
  measure: (pool: RunningSubject) => Promise<T>,
): Promise<T> {
  const placed = placeModel(model, { maxBatch });
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

export function printOverload({ model, capacityPerSecond, deadlineMs, points }: OverloadResult): void {
  console.log(`  ${model}: ${capacityPerSecond.toFixed(0)} requests/s closed-loop, deadline ${deadlineMs} ms\n`);
  console.log(
    "   load  offered/s  goodput/s  of peak    p50 ms    p99 ms  refused in ms  missed  mean batch  dead work  generator late",
  );
  for (const point of points) {
    const cells = [
      point.load.toFixed(2).padStart(6),
      point.offeredPerSecond.toFixed(0).padStart(10),
      point.goodputPerSecond.toFixed(0).padStart(10),
      point.goodputOfPeak.toFixed(2).padStart(8),
      point.p50Ms.toFixed(1).padStart(9),
      point.p99Ms.toFixed(1).padStart(9),
      point.refusalP50Ms.toFixed(2).padStart(14),
      String(point.missed).padStart(7),
      point.meanBatchRows.toFixed(1).padStart(11),
      String(point.deadWork).padStart(10),
      point.generatorLateMs.toFixed(1).padStart(15),
    ];
    console.log(` ${cells.join(" ")}`);
  }
}

/** The curves of one measurement, by the name of the file they are stored in. */
export function overloadCurves({ deadlineMs, points }: OverloadResult): Record<string, LineChart> {
  const x = { label: "offered load in multiples of the capacity" };
  const of = (name: string, read: (point: LoadPoint) => number) => ({
    name,
    points: points.map((point) => [point.load, read(point)] as const),
  });
  const goodput = [
    of("answered in time", (point) => point.goodputPerSecond),
    of("offered", (point) => point.offeredPerSecond),
  ];
  const latency = [of("p50 of the admitted", (point) => point.p50Ms), of("p99", (point) => point.p99Ms)];
  return {
    "overload-goodput": { title: "Goodput under overload (measured)", x, y: { label: "1/s" }, series: goodput },
    "overload-latency": {
      title: "Latency under overload (measured)",
      x,
      y: { label: "ms" },
      series: latency,
      marks: [{ axis: "y", at: deadlineMs, label: "deadline" }],
    },
    "overload-batch": {
      title: "Batch size under overload (measured)",
      x,
      y: { label: "mean rows" },
      series: [of("rows a batch", (point) => point.meanBatchRows)],
    },
  };
}
