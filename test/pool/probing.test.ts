/** What a bad artefact does to a pool that serves: nothing. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { call, fp32Request, inferJson, post } from "../support/inference-call.ts";
import { endlessModel, greedyModel, loopModel, loopRequest, putModel } from "../support/loop-model.ts";
import { isAlive, linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { probeChildOf } from "../support/probe-child.ts";
import { until } from "../support/until.ts";

const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));
const MIB = 1024 ** 2;

describe("probing", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-probing-"));
  let pool: PoolProcess;
  const load = async (model: string): Promise<string> => {
    const { status, body } = await post(`${pool.url}/v2/repository/models/${model}/load`, {});
    if (status === 200) return "loaded";
    const { code, error } = JSON.parse(body.toString());
    return `${code}: ${error}`;
  };

  before(async () => {
    linkModels(folder, join(TEST_MODELS.digits, "digits"));
    pool = await startPool({
      models: [folder],
      arguments: ["--probe-limit-ms", "4000", "--memory-limit-bytes", String(600 * MIB)],
    });
  });
  after(async () => {
    assert.equal(pool.starts.length, 1, "the serving process died on the way");
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a model whose run does not end is refused with the reason; who is served meanwhile does not notice", async () => {
    putModel(folder, "endless", 1, endlessModel());
    const loading = load("endless");
    let answered = 0;
    let done = false;
    void loading.finally(() => {
      done = true;
    });
    while (!done) {
      await inferJson(pool.url, "digits", DIGIT);
      assert.equal((await call(`${pool.url}/v2/health/ready`)).status, 200);
      answered++;
    }
    assert.match(await loading, /^model_rejected: .*it was not loaded( and run once)? within 4 s$/);
    assert.ok(answered > 5);
  });

  test("a model that crashes what loads it is refused with the signal", async () => {
    putModel(folder, "crashing", 1, endlessModel());
    const loading = load("crashing");
    let done = false;
    void loading.finally(() => {
      done = true;
    });
    // A process that had tried others before is not enough to blame it: one more is started.
    await until("the verdict", () => {
      const pid = probeChildOf(pool.serving.pid);
      if (pid !== undefined && isAlive(pid)) process.kill(pid, "SIGABRT");
      return done;
    });
    assert.match(await loading, /^model_rejected: .*it brings down the process that (loads|runs) it \(SIGABRT\)$/);
    await inferJson(pool.url, "digits", DIGIT);
  });

  test("a version that wants more memory than is left is refused, and the one before it goes on", async () => {
    putModel(folder, "grows", 1, loopModel());
    assert.equal(await load("grows"), "loaded");
    // 512 MiB and their copy; what an artefact may always take is less.
    putModel(folder, "grows", 1, greedyModel(128 * MIB));
    assert.match(await load("grows"), /^model_rejected: .*it takes more memory than there is: over \d+ of \d+ MiB$/);
    assert.equal((await inferJson(pool.url, "grows", loopRequest(1))).outputs.length, 1);
  });

  test("files outside its folder are not read, and the reason says so", async () => {
    for (const name of ["external_escape", "external_absolute"]) {
      cpSync(join(TEST_MODELS.hostile, name), join(folder, name), { recursive: true });
      assert.match(await load(name), /^model_rejected: .*outside the version's folder, which a model may not read$/);
    }
  });

  test("a model that passes is loaded and answers", async () => {
    putModel(folder, "loop", 1, loopModel());
    assert.equal(await load("loop"), "loaded");
    assert.equal((await inferJson(pool.url, "loop", loopRequest(3))).outputs.length, 1);
  });

  test("the process that tries artefacts goes when there are none, and with the pool", async () => {
    await until("the process to be gone", () => probeChildOf(pool.serving.pid) === undefined, 10_000);
    putModel(folder, "last", 1, endlessModel());
    const { pid } = pool.serving;
    void load("last").catch(() => undefined);
    const child = await until("the process that tries it", () => probeChildOf(pid));
    const stoppedAt = performance.now();
    assert.equal((await pool.stop()).code, 0);
    assert.ok(performance.now() - stoppedAt < 5_000, "it waited for the probe");
    assert.equal(isAlive(child), false);
  });
});

describe("probing switched off", () => {
  test("no process is started, and files outside the folder are refused all the same", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "warmgate-probing-off-"));
    linkModels(folder, join(TEST_MODELS.digits, "digits"), join(TEST_MODELS.hostile, "external_escape"));
    const pool = await startPool({ models: [folder], arguments: ["--probe", "off"] });
    t.after(async () => {
      await pool.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    assert.equal(probeChildOf(pool.serving.pid), undefined);
    const index = (await post(`${pool.url}/v2/repository/index`, {})).body.toString();
    assert.match(index, /outside the version's folder/);
    await inferJson(pool.url, "digits", DIGIT);
  });
});
