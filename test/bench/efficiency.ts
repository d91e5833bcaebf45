/**
 * How much of what the device can do reaches callers: rows a second through the pool (binary bodies, 128 connections, one
 * slot) against a bare loop of `session.run` at its best batch size on one thread, in turns.
 *
 * Two factors make up the ratio and are told apart: how much of the time the slot is busy, and how much slower a row is
 * computed while the server and the load generator use the same cores. The first is the server's doing, the second the
 * machine's.
 */
import { bareLoop, bestBatch, type Provider } from "./bare-session.ts";
import { type BenchModel, CONVOLUTIONAL, DEEPER, LARGE, placeModel, SMALL } from "./bench-model.ts";
import { loadOnce, median } from "./compare.ts";
import { poolStatistics, since } from "./pool-statistics.ts";
import { binaryRequest, startOpenPool } from "./subjects.ts";

export interface Efficiency {
  readonly model: string;
  readonly batch: number;
  readonly bareRowsPerSecond: number;
  readonly poolRowsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly ratios: readonly number[];
  readonly medianRatio: number;
  /** Part of the time in which the slot computes. */
  readonly slotBusy: number;
  /** Time to compute a row in the pool over that in the bare loop. */
  readonly computeSlowdown: number;
}

interface Sample {
  readonly bare: number;
  readonly pool: number;
  readonly p50: number;
  readonly p99: number;
  readonly ratio: number;
  readonly busy: number;
  readonly slowdown: number;
}

const CONNECTIONS = 128;
const MEASURE_MS = 4_000;
const WARM_UP_MS = 1_500;

interface Subject {
  readonly model: BenchModel;
  readonly batches: readonly number[];
}

/** On a GPU a run takes about as long for one row as for many, so that what is small measures HTTP and nothing else. */
const SUBJECTS: Readonly<Record<Provider, readonly Subject[]>> = {
  cpu: [
    { model: SMALL, batches: [16, 32, 64] },
    { model: LARGE, batches: [16, 32, 64] },
    { model: CONVOLUTIONAL, batches: [1] },
  ],
  cuda: [
    { model: LARGE, batches: [64] },
    { model: DEEPER, batches: [64] },
    { model: CONVOLUTIONAL, batches: [1] },
  ],
};

export async function efficiency(rounds: number, provider: Provider): Promise<Efficiency[]> {
  const results: Efficiency[] = [];
  for (const subject of SUBJECTS[provider]) results.push(await efficiencyOf(subject, rounds, provider));
  return results;
}

async function efficiencyOf({ model, batches }: Subject, rounds: number, provider: Provider): Promise<Efficiency> {
  const placed = placeModel(model);
  try {
    const batch = await bestBatch(placed.file, model, batches, provider);
    // The pool rests while the bare loop runs: an idle process takes no time.
    const options = ["--slots", "1", "--max-queue-ms", "60000", "--provider", provider];
    const pool = await startOpenPool([placed.folder], options);
    try {
      const request = binaryRequest("bench", model.shape);
      const samples: Sample[] = [];
      for (let round = 0; round < rounds; round++) {
        const bare = await bareLoop(placed.file, model, batch, MEASURE_MS, provider);
        const before = await poolStatistics(pool.port);
        const served = await loadOnce({ label: "pool", port: pool.port, request }, CONNECTIONS, MEASURE_MS);
        const done = since(before, await poolStatistics(pool.port));
        samples.push({
          bare: bare.rowsPerSecond,
          pool: served.requestsPerSecond,
          p50: served.p50Ms,
          p99: served.p99Ms,
          ratio: served.requestsPerSecond / bare.rowsPerSecond,
          busy: done.computeMs / (MEASURE_MS + WARM_UP_MS),
          slowdown: (done.computeMs / done.rows) * (bare.rowsPerSecond / 1000),
        });
      }
      const of = (read: (sample: Sample) => number) => median(samples.map(read));
      return {
        model: model.label,
        batch,
        bareRowsPerSecond: of((sample) => sample.bare),
        poolRowsPerSecond: of((sample) => sample.pool),
        p50Ms: of((sample) => sample.p50),
        p99Ms: of((sample) => sample.p99),
        ratios: samples.map((sample) => sample.ratio),
        medianRatio: of((sample) => sample.ratio),
        slotBusy: of((sample) => sample.busy),
        computeSlowdown: of((sample) => sample.slowdown),
      };
    } finally {
      await pool.stop();
    }
  } finally {
    placed.remove();
  }
}

export function printEfficiency(results: readonly Efficiency[]): void {
  console.log(
    "  model                          bare rows/s  pool rows/s   ratio  slot busy  slowdown    p50 ms    p99 ms",
  );
  for (const one of results) {
    const cells = [
      one.model.padEnd(30),
      one.bareRowsPerSecond.toFixed(0).padStart(11),
      one.poolRowsPerSecond.toFixed(0).padStart(12),
      one.medianRatio.toFixed(2).padStart(7),
      one.slotBusy.toFixed(2).padStart(10),
      one.computeSlowdown.toFixed(2).padStart(9),
      one.p50Ms.toFixed(2).padStart(9),
      one.p99Ms.toFixed(2).padStart(9),
    ];
    console.log(`  ${cells.join(" ")}`);
  }
}
