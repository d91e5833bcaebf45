/** A pool that watches its repository takes up what is finished, and nothing else. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { putDigits } from "../soak/reload-under-load.ts";
import { call, fp32Request, inferJson, post } from "../support/inference-call.ts";
import { loopModel, loopRequest, putModel } from "../support/loop-model.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { until } from "../support/until.ts";

const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));
const POLL_MS = 200;

describe("watching the repository", () => {
  const root = mkdtempSync(join(tmpdir(), "warmgate-watching-"));
  const folder = join(root, "models");
  let pool: PoolProcess;
  const index = async (): Promise<{ name: string; version: string; state: string; reason: string }[]> =>
    JSON.parse((await post(`${pool.url}/v2/repository/index`, {})).body.toString());
  const stateOf = async (name: string, version: string) =>
    (await index()).find((entry) => entry.name === name && entry.version === version);
  const ready = (name: string, version: string) =>
    until(`${name} ${version} to be ready`, async () => (await stateOf(name, version))?.state === "READY", 20_000);
  const digits = (version: number) => readFileSync(join(TEST_MODELS.digits, "digits", String(version), "model.onnx"));

  before(async () => {
    mkdirSync(folder);
    putDigits(folder, 1);
    pool = await startPool({ models: [folder], arguments: ["--poll-ms", String(POLL_MS)] });
  });
  after(async () => {
    assert.equal(pool.starts.length, 1, "the serving process died on the way");
    await pool.stop();
    rmSync(root, { recursive: true, force: true });
  });

  test("what was there at the start is not loaded again", async () => {
    await delay(4 * POLL_MS);
    assert.equal(pool.output.match(/"msg":"model ready"/g)?.length, 1);
  });

  test("a new version is loaded by itself and answers", async () => {
    putModel(folder, "digits", 2, digits(2));
    await ready("digits", "2");
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "2");
  });

  test("a changed model.json takes effect by itself", async () => {
    writeFileSync(join(folder, "digits", "model.json"), JSON.stringify({ versionPolicy: { specific: ["1"] } }));
    await until("version 2 to be left out", async () => (await stateOf("digits", "2"))?.state === "UNAVAILABLE");
    assert.match((await stateOf("digits", "2"))?.reason ?? "", /left out by versionPolicy/);
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "1");
  });

  test("a new model is loaded by itself; one that is removed is forgotten", async () => {
    putModel(folder, "loop", 1, loopModel());
    await ready("loop", "1");
    await inferJson(pool.url, "loop", loopRequest(1));
    rmSync(join(folder, "loop"), { recursive: true });
    await until("it to be forgotten", async () => (await call(`${pool.url}/v2/models/loop`)).status === 404);
  });

  test("an upload that grows is left alone until it is whole", async () => {
    const bytes = digits(2);
    const file = join(folder, "uploaded", "1", "model.onnx");
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, "");
    let longestPauseMs = 0;
    for (let at = 0; at < bytes.length; at += 8_192) {
      const from = performance.now();
      appendFileSync(file, bytes.subarray(at, at + 8_192));
      await delay(POLL_MS / 4);
      longestPauseMs = Math.max(longestPauseMs, performance.now() - from);
    }
    await ready("uploaded", "1");
    // On a machine that let this test stand still for so long, the upload did rest.
    if (longestPauseMs < POLL_MS) assert.doesNotMatch(pool.output, /"model":"uploaded".*"model rejected"/);
  });

  test("an upload that pauses half-way is held back by its manifest, and published when it is whole", async () => {
    const bytes = digits(2);
    const half = bytes.subarray(0, bytes.length / 2);
    const version = join(folder, "paused", "1");
    mkdirSync(version, { recursive: true });
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const manifest = { files: { "model.onnx": { sha256, size: bytes.length } } };
    writeFileSync(join(version, "manifest.json"), JSON.stringify(manifest));
    writeFileSync(join(version, "model.onnx"), half);
    const held = await until("it to be looked at", async () => (await stateOf("paused", "1"))?.reason || undefined);
    assert.match(held, /is not what its manifest\.json says: 'model\.onnx' has \d+ bytes instead of \d+/);
    writeFileSync(join(version, "model.onnx"), bytes);
    await ready("paused", "1");
  });

  test("a mount that goes, or comes back empty, takes nothing out of service", async () => {
    renameSync(folder, `${folder}-away`);
    await until("the failing look", () => pool.output.includes("repository not read"));
    await delay(4 * POLL_MS);
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "1");
    mkdirSync(folder);
    await until("the empty look", () => pool.output.includes("all models have vanished at once"));
    await delay(4 * POLL_MS);
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "1");
    assert.equal((await call(`${pool.url}/v2/health/ready`)).status, 200);
    rmSync(folder, { recursive: true });
    renameSync(`${folder}-away`, folder);
    await until("the repository to be read again", () => pool.output.includes("repository read again"));
    putModel(folder, "loop", 2, loopModel());
    await ready("loop", "2");
  });
});
