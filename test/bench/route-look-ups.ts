/** What the look-up of a route in the control plane costs, by how many are stored: in workerd, between the real objects. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { z } from "zod";
import { freePorts } from "../../infra/cli/ports.ts";
import { serveWorker } from "../../infra/workerd/worker-server.ts";
import type { ModelRoute } from "../../shared/protocol/model-route.ts";
import { median } from "./compare.ts";
import { routeOf } from "./route-pool.ts";

export interface RouteLookUps {
  readonly routes: number;
  /** Means of `IN_A_ROW` look-ups, the call of the Worker included. */
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  /** The p50 over the smallest size's in the same round; the median over the rounds. */
  readonly ratio: number;
}

const IN_A_ROW = 100;
const ROWS = 30;
const STORED_AT_ONCE = 500;
const root = join(import.meta.dirname, "..", "..");

/** What the Worker is told: routes to store in the object of a size, names to look up there. */
type Call = (
  size: number,
  task: { readonly put: readonly ModelRoute[]; readonly find: readonly string[] },
) => Promise<void>;

/** An object for each size, asked in turns. */
export async function lookUpsByRoutes(sizes: readonly number[], rounds: number): Promise<RouteLookUps[]> {
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-bench-"));
  const [port = 0] = await freePorts(1);
  const server = await serveWorker({
    ...{ name: "route-look-ups", entry: join(import.meta.dirname, "route-look-up-worker.js"), host: "127.0.0.1", port },
    worker: unstable_getMiniflareWorkerOptions(join(root, "wrangler.toml")).workerOptions,
    ...{ stateFolder, log: () => undefined },
  });
  const call: Call = async (size, task) => {
    const body = JSON.stringify({ object: `${size} routes`, ...task });
    const reply = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
    const { found } = z.object({ found: z.int() }).parse(await reply.json());
    if (found !== task.find.length) throw new Error(`of ${task.find.length} routes ${found} are there`);
  };
  try {
    for (const size of sizes) await store(call, size);
    for (const size of sizes) await meansOf(call, size);
    const measured = sizes.map((): number[][] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, size] of sizes.entries()) measured[index]?.push(await meansOf(call, size));
    }
    return sizes.map((routes, index) => {
      const own = measured[index] ?? [];
      const all = own.flat().sort((a, b) => a - b);
      return {
        routes,
        p50Microseconds: median(all),
        p99Microseconds: all[Math.floor(0.99 * all.length)] ?? Number.NaN,
        ratio: median(own.map((means, round) => median(means) / median(measured[0]?.[round] ?? []))),
      };
    });
  } finally {
    await server.dispose();
    rmSync(stateFolder, { recursive: true, force: true });
  }
}

async function store(call: Call, size: number): Promise<void> {
  for (let first = 0; first < size; first += STORED_AT_ONCE) {
    const count = Math.min(STORED_AT_ONCE, size - first);
    await call(size, { put: Array.from({ length: count }, (_, index) => routeOf(first + index)), find: [] });
  }
}

/** Of each row of look-ups, in microseconds. */
async function meansOf(call: Call, size: number): Promise<number[]> {
  const means: number[] = [];
  for (let row = 0; row < ROWS; row++) {
    const find = Array.from({ length: IN_A_ROW }, () => `route-${Math.floor(Math.random() * size)}`);
    const startedAt = performance.now();
    await call(size, { put: [], find });
    means.push((1_000 * (performance.now() - startedAt)) / IN_A_ROW);
  }
  return means;
}

export function printRouteLookUps(results: readonly RouteLookUps[]): void {
  console.log(`  ${"".padEnd(16)} p50 us    p99 us   p50 over the smallest's`);
  for (const { routes, p50Microseconds, p99Microseconds, ratio } of results) {
    const figures = [p50Microseconds.toFixed(0).padStart(6), p99Microseconds.toFixed(0).padStart(9)];
    console.log(
      `  ${`${routes.toLocaleString("en")} routes`.padEnd(16)} ${figures.join(" ")}   ${ratio.toFixed(2).padStart(6)}`,
    );
  }
}
