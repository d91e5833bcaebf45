/** The short form of `npm run test:soak`. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { putDigits, reloadUnderLoad } from "../soak/reload-under-load.ts";
import { call } from "../support/inference-call.ts";
import { putModel } from "../support/loop-model.ts";
import { perceptron } from "../support/onnx-builder.ts";
import { type PoolProcess, startPool } from "../support/pool.ts";
import { account, scrape } from "../support/pool-metrics.ts";

const TURNS = 10;

describe("reloading", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-reloading-"));
  let pool: PoolProcess;
  before(async () => {
    putDigits(folder, 1);
    pool = await startPool({ models: [folder] });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a model that is replaced ten times under load fails no request and keeps no old version", async () => {
    const before = await account(pool);
    const { answered, failed, failures } = await reloadUnderLoad(pool, folder, { turns: TURNS, callers: 4 });
    assert.equal(failed, 0, failures.join("\n"));
    assert.ok(answered > TURNS, "there was no load");
    const now = await account(pool);
    assert.equal(now.failed + now.rejected + now.cancelled, before.failed + before.rejected + before.cancelled);
    assert.equal(pool.output.match(/"msg":"model probed"/g)?.length, 2, "each of the two contents is tried once");
    const ready = [...(await scrape(pool)).keys()].filter((name) => name.startsWith("warmgate_pool_model_ready{"));
    assert.equal(ready.length, 1);
  });

  test("readiness stays on while a large model is loaded beside the one that serves", async () => {
    putModel(folder, "large", 1, perceptron([8, 1024, 2048, 1024, 8]));
    const loading = fetch(`${pool.url}/v2/repository/models/large/load`, { method: "POST", body: "{}" });
    let done = false;
    void loading.finally(() => {
      done = true;
    });
    let looks = 0;
    while (!done) {
      assert.equal((await call(`${pool.opsUrl}/readyz`)).status, 200);
      assert.equal((await call(`${pool.url}/v2/health/ready`)).status, 200);
      looks++;
    }
    assert.equal((await loading).status, 200);
    assert.ok(looks > 1);
  });
});
