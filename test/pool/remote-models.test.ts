/** Models that a pool brings from a server before it serves, and while it does. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { PoolProcess } from "../support/pool.ts";
import { scaling } from "../support/scaling-models.ts";
import { until } from "../support/until.ts";

describe("a pool with models from a server", () => {
  const cache = mkdtempSync(join(tmpdir(), "warmgate-models-cache-"));
  const files = new Map<string, Uint8Array>();
  let server: Server;
  let url: string;
  let pool: PoolProcess;

  /** Version n multiplies by n. */
  function publish(versions: number): void {
    const published: Record<string, unknown> = {};
    for (let version = 1; version <= versions; version++) {
      const bytes = scaling(version);
      files.set(`/scaled/${version}/model.onnx`, bytes);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      published[version] = { files: { "model.onnx": { sha256, size: bytes.byteLength } } };
    }
    const manifest = { models: { scaled: { modelJson: null, versions: published } } };
    files.set("/warmgate-models.json", Buffer.from(JSON.stringify(manifest)));
  }

  function startPool(): PoolProcess {
    return new PoolProcess({ models: [url], arguments: ["--models-cache", cache, "--models-poll-ms", "1000"] });
  }

  before(async () => {
    server = createServer((request, response) => {
      const file = files.get(request.url ?? "");
      response.writeHead(file ? 200 : 404, { "content-length": file?.byteLength ?? 0 }).end(file);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address);
    url = `http://127.0.0.1:${address.port}/`;
    publish(1);
    pool = startPool();
    await pool.started(1);
  });
  after(async () => {
    await pool.stop();
    server.close();
    rmSync(cache, { recursive: true, force: true });
  });

  async function answer(version: number): Promise<unknown> {
    const reply = await fetch(`${pool.url}/v2/models/scaled/versions/${version}/infer`, {
      method: "POST",
      body: JSON.stringify({ inputs: [{ name: "x", shape: [1, 4], datatype: "FP32", data: [1, 2, 3, 4] }] }),
    });
    return reply.status === 200 ? JSON.parse(await reply.text()).outputs[0].data : reply.status;
  }

  test("serves them when it is ready", async () => {
    assert.deepEqual(await answer(1), [1, 2, 3, 4]);
    assert.equal(await answer(2), 404);
  });

  test("takes in what is published while it runs", async () => {
    publish(2);
    await until("version 2", async () => typeof (await answer(2)) !== "number");
    assert.deepEqual(await answer(2), [2, 4, 6, 8]);
    assert.deepEqual(await answer(1), [1, 2, 3, 4]);
  });

  test("publishes nothing that is not what the manifest says", async () => {
    publish(3);
    files.set("/scaled/3/model.onnx", scaling(7));
    await until("the refusal", () => pool.output.includes("model version not brought"));
    assert.equal(await answer(3), 404);
    assert.deepEqual(await answer(2), [2, 4, 6, 8]);
    publish(2);
  });

  test("starts with what it had when the server is gone", async () => {
    await pool.stop();
    server.close();
    server.closeAllConnections();
    pool = startPool();
    await pool.started(1);
    assert.deepEqual(await answer(2), [2, 4, 6, 8]);
  });
});
