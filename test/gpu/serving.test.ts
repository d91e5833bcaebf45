/** Models run on the GPU: what they answer, what is told of it, and that they come and go without a failed request. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { seededRandom } from "../bench/arrivals.ts";
import { putDigits, reloadUnderLoad } from "../soak/reload-under-load.ts";
import { hasCuda } from "../support/cuda-host.ts";
import { call, fp32Request, inferJson } from "../support/inference-call.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";
import { until } from "../support/until.ts";
import { gpuPool } from "./gpu-pool.ts";
import { usedMib } from "./read-gpu.ts";

const ROWS = 32;
/** Convolutions are computed in TF32 there, which keeps 10 bits of a number. */
const TOLERANCE = 5e-3;
const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));

async function digitsOf(pool: PoolProcess, version: 1 | 2, pixels: readonly number[]) {
  const request = fp32Request("pixels", [ROWS, 64], pixels);
  const { outputs } = await inferJson(pool.url, `digits/versions/${version}`, request);
  const numbers = (name: string) => outputs.find((output) => output.name === name)?.data.map(Number) ?? [];
  return { labels: numbers("label"), probabilities: numbers("probabilities") };
}

describe("models on a GPU", { skip: !hasCuda }, () => {
  const gpu = gpuPool();

  test("answer as they do on the CPU", async () => {
    linkModels(gpu.folder, join(TEST_MODELS.digits, "digits"));
    const [onGpu, onCpu] = [await gpu.start(), await startPool({ models: [gpu.folder] })];
    try {
      const random = seededRandom(7);
      const pixels = Array.from({ length: ROWS * 64 }, () => Math.floor(random() * 17));
      for (const version of [1, 2] as const) {
        const [one, other] = [await digitsOf(onGpu, version, pixels), await digitsOf(onCpu, version, pixels)];
        const differences = one.probabilities.map((value, index) =>
          Math.abs(value - (other.probabilities[index] ?? 9)),
        );
        const worst = Math.max(...differences);
        assert.equal(one.probabilities.length, ROWS * 10);
        assert.ok(worst < TOLERANCE, `version ${version} differs by ${worst}`);
        assert.deepEqual(one.labels, other.labels);
      }
    } finally {
      await onCpu.stop();
    }
  });

  test("are told to run there, and how the GPU is", async () => {
    linkModels(gpu.folder, join(TEST_MODELS.digits, "digits"));
    const pool = await gpu.start();
    const config = JSON.parse((await call(`${pool.url}/v2/models/digits/config`)).body.toString());
    assert.equal(config.instance_group[0].kind, "KIND_GPU");
    const figures = await until("a reading", async () => {
      const now = await scrape(pool);
      return now.has('warmgate_pool_gpu_utilisation_ratio{device="cuda:0"}') && now;
    });
    const gpuFigure = (name: string, labels = "") =>
      figures.get(`warmgate_pool_gpu_${name}{device="cuda:0"${labels}}`) ?? -1;
    assert.equal(figures.get('warmgate_pool_model_ready{model="digits",version="2",provider="cuda"}'), 1);
    assert.equal(figures.get("warmgate_pool_provider_fallback"), 0);
    assert.ok(gpuFigure("temperature_celsius") > 0);
    assert.ok(gpuFigure("memory_bytes", ',kind="used"') < gpuFigure("memory_bytes", ',kind="total"'));
  });

  test("are replaced under load without a failed request, and leave nothing in its memory", async () => {
    putDigits(gpu.folder, 2);
    const pool = await gpu.start();
    const warm = await reloadUnderLoad(pool, gpu.folder, { turns: 3, callers: 4 });
    const before = await usedMib();
    const { failed, failures, answered } = await reloadUnderLoad(pool, gpu.folder, { turns: 12, callers: 4 });
    assert.equal(failed + warm.failed, 0, failures.join("\n"));
    assert.ok(answered > 0);
    const grown = (await usedMib()) - before;
    assert.ok(grown < 64, `${grown} MiB`);
  });

  test("are back soon after their process is killed, whose memory is free again", async () => {
    linkModels(gpu.folder, join(TEST_MODELS.digits, "digits"));
    const pool = await gpu.start();
    await inferJson(pool.url, "digits", DIGIT);
    const before = await usedMib();
    const killedAt = performance.now();
    process.kill(pool.serving.pid, "SIGKILL");
    await pool.started(2);
    const tookMs = performance.now() - killedAt;
    await inferJson(pool.url, "digits", DIGIT);
    console.log(`back after ${Math.round(tookMs)} ms`);
    assert.ok(tookMs < 15_000, `${tookMs} ms`);
    const grown = (await usedMib()) - before;
    assert.ok(Math.abs(grown) < 64, `${grown} MiB`);
  });
});
