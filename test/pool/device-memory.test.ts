/** Models are held against the memory that the device has for them, and a provider that is not there is told. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { hasCuda } from "../support/cuda-host.ts";
import { call, fp32Request, inferJson, post } from "../support/inference-call.ts";
import { perceptron } from "../support/onnx-builder.ts";
import { PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";
import { stateOf } from "../support/repository-index.ts";
import { within } from "../support/until.ts";

const SIDE = 512;
/** Room for one of the models, which are a mebibyte each and are reckoned to take two. */
const LIMITED = ["--device-memory-bytes", String(3.5 * 1024 ** 2), "--probe", "off"];
const REQUEST = fp32Request("input", [1, SIDE], new Array(SIDE).fill(0.5));

describe("a device with room for one model", () => {
  const root = mkdtempSync(join(tmpdir(), "warmgate-memory-"));
  after(() => rmSync(root, { recursive: true, force: true }));
  const put = (folder: string, name: string, evictable: boolean) => {
    mkdirSync(join(root, folder, name, "1"), { recursive: true });
    writeFileSync(join(root, folder, name, "model.json"), JSON.stringify({ evictable, instances: 1 }));
    writeFileSync(join(root, folder, name, "1", "model.onnx"), perceptron([SIDE, SIDE]));
  };

  test("refuses a second one with the numbers, and the first one is unharmed", async () => {
    put("fixed", "first", false);
    const pool = await startPool({ models: [join(root, "fixed")], arguments: LIMITED });
    try {
      put("fixed", "second", false);
      const reply = await post(`${pool.url}/v2/repository/models/second/load`, {});
      assert.equal(reply.status, 400);
      const { code, error } = JSON.parse(reply.body.toString());
      assert.equal(code, "model_rejected");
      assert.match(error, /does not fit on the device: needs 3 MiB, 1 MiB of 3 MiB are free: first 2 MiB/);
      assert.equal((await inferJson(pool.url, "first", REQUEST)).model_name, "first");
      const figures = await scrape(pool);
      const used = figures.get('warmgate_pool_device_memory_bytes{device="cpu",model="first",version="1"}') ?? 0;
      assert.ok(used > 2 * 1024 ** 2);
      const { model_stats: told } = JSON.parse((await call(`${pool.url}/v2/models/first/stats`)).body.toString());
      assert.deepEqual(told[0].memory_usage, [{ type: "CPU", id: 0, byte_size: used }]);
      await post(`${pool.url}/v2/repository/models/first/unload`, {});
      assert.equal((await post(`${pool.url}/v2/repository/models/second/load`, {})).status, 200);
      assert.equal((await inferJson(pool.url, "second", REQUEST)).model_name, "second");
    } finally {
      await pool.stop();
    }
  });

  test("takes a second one in where the first one may be evicted", async () => {
    put("evictable", "first", true);
    const pool = await startPool({ models: [join(root, "evictable")], arguments: LIMITED });
    try {
      assert.equal((await inferJson(pool.url, "first", REQUEST)).model_name, "first");
      put("evictable", "second", false);
      assert.equal((await post(`${pool.url}/v2/repository/models/second/load`, {})).status, 200);
      assert.equal((await inferJson(pool.url, "second", REQUEST)).model_name, "second");
      assert.equal(await stateOf(pool, "first"), "UNAVAILABLE evicted to make room for another model");
      assert.equal((await post(`${pool.url}/v2/repository/models/first/load`, {})).status, 400);
      assert.equal(await stateOf(pool, "second"), "READY");
    } finally {
      await pool.stop();
    }
  });
});

describe("a host without CUDA", { skip: hasCuda }, () => {
  test("does not start a pool that requires it, and says what to do", async () => {
    const pool = new PoolProcess({ models: [TEST_MODELS.digits], arguments: ["--provider", "cuda"] });
    const { code } = await within("the pool to give up", pool.exit);
    assert.equal(code, 78);
    assert.match(pool.output, /--provider cuda cannot be used: .*npm run cuda adds it/);
  });

  test("runs a pool that prefers it on the CPU, and says so in the log and in the metrics", async () => {
    const pool = await startPool({ models: [TEST_MODELS.digits], arguments: ["--provider", "prefer-cuda"] });
    try {
      const figures = await scrape(pool);
      assert.equal(figures.get("warmgate_pool_provider_fallback"), 1);
      const ready = 'warmgate_pool_model_ready{model="digits",version="2",provider="cpu"}';
      assert.equal(figures.get(ready), 1);
      assert.match(pool.output, /"level":40.*npm run cuda adds it.*models run on the CPU/);
    } finally {
      await pool.stop();
    }
  });
});
