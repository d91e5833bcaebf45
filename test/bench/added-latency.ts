/**
 * What the pool adds to a run: one caller, one request at a time, against the same run in a bare loop in a worker thread's
 * place. By stage as the pool reports it (Server-Timing), and in all as the caller sees it.
 */
import { Pool } from "undici";
import { z } from "zod";
import { bareLoop } from "./bare-session.ts";
import { type BenchModel, LARGE, placeModel, SMALL } from "./bench-model.ts";
import { startOpenPool } from "./subjects.ts";

export interface AddedLatency {
  readonly model: string;
  readonly bareMs: Pair;
  readonly totalMs: Pair;
  readonly stages: Readonly<Record<string, Pair>>;
}

export interface Pair {
  readonly p50: number;
  readonly p99: number;
}

const REQUESTS = 3_000;
const STAGES = ["decode", "queue", "compute", "device", "encode"];
const timing = z.string();

export async function addedLatency(): Promise<AddedLatency[]> {
  return [await addedLatencyOf(SMALL), await addedLatencyOf(LARGE)];
}

async function addedLatencyOf(model: BenchModel): Promise<AddedLatency> {
  const placed = placeModel(model);
  const bare = await bareLoop(placed.file, model, 1, 3_000);
  const pool = await startOpenPool([placed.folder], ["--slots", "1"]);
  const client = new Pool(`http://127.0.0.1:${pool.port}`, { connections: 1 });
  try {
    const data = Array.from({ length: model.shape[1] ?? 0 }, (_, index) => (index * 7) % 17);
    const body = JSON.stringify({ inputs: [{ name: "input", shape: model.shape, datatype: "FP32", data }] });
    const totals: number[] = [];
    const stages = new Map(STAGES.map((name) => [name, [] as number[]]));
    for (let request = 0; request < REQUESTS * 1.2; request++) {
      const sentAt = performance.now();
      const reply = await client.request({ path: "/v2/models/bench/infer", method: "POST", body });
      await reply.body.arrayBuffer();
      const total = performance.now() - sentAt;
      if (reply.statusCode !== 200) throw new Error(`the pool answered ${reply.statusCode}`);
      if (request < REQUESTS * 0.2) continue;
      totals.push(total);
      const text = timing.parse(reply.headers["server-timing"]);
      for (const [name, values] of stages) values.push(Number(new RegExp(`${name};dur=([\\d.]+)`).exec(text)?.[1]));
    }
    return {
      model: model.label,
      bareMs: { p50: bare.p50Ms, p99: bare.p99Ms },
      totalMs: pairOf(totals),
      stages: Object.fromEntries([...stages].map(([name, values]) => [name, pairOf(values)])),
    };
  } finally {
    await client.close();
    await pool.stop();
    placed.remove();
  }
}

function pairOf(values: readonly number[]): Pair {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

export function printAddedLatency(results: readonly AddedLatency[]): void {
  for (const { model, bareMs, totalMs, stages } of results) {
    console.log(`  ${model.padEnd(22)} p50 ms    p99 ms`);
    const row = (label: string, { p50, p99 }: Pair) =>
      console.log(`    ${label.padEnd(20)} ${p50.toFixed(3).padStart(8)} ${p99.toFixed(3).padStart(9)}`);
    row("bare session.run", bareMs);
    for (const [name, pair] of Object.entries(stages)) row(name, pair);
    row("total at the caller", totalMs);
  }
}
