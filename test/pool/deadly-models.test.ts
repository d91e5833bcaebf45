/** A model that passes its trial and then brings down whoever loads it: the others serve, and it is left out with the reason. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fp32Request, inferJson, post } from "../support/inference-call.ts";
import { ENDLESS, loopModel, loopRequest, putModel, stallingModel } from "../support/loop-model.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { stateOf } from "../support/repository-index.ts";
import { until } from "../support/until.ts";

const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));
/** What it is tried with, and rows together, it answers; the larger batches of its warm-up it does not. */
const STALLING = stallingModel(2);
const HUNG =
  /^UNAVAILABLE a run in its warm-up did not end, .*; it is left out until its files change or it is loaded by/;

describe("a model that brings down the process that loads it", () => {
  let folder: string;
  let pool: PoolProcess | undefined;
  const start = async (...args: string[]): Promise<PoolProcess> => {
    pool = await startPool({ models: [folder], arguments: ["--drain-ms", "500", ...args] });
    return pool;
  };
  /** The status of the answer; 0 where there was none. */
  const load = (own: PoolProcess, model: string): Promise<number> =>
    post(`${own.url}/v2/repository/models/${model}/load`, {}).then(
      ({ status }) => status,
      () => 0,
    );

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-deadly-"));
    linkModels(folder, join(TEST_MODELS.digits, "digits"));
  });
  afterEach(async () => {
    await pool?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("in its warm-up is left out, before and behind a good one, until its files change or it is asked for", async () => {
    for (const name of ["a-stalls", "z-stalls"]) putModel(folder, name, 1, STALLING);
    const own = await start("--run-limit-ms", "500");
    assert.equal((await inferJson(own.url, "digits", DIGIT)).outputs.length, 2);
    for (const name of ["a-stalls", "z-stalls"]) assert.match(await stateOf(own, name), HUNG);
    assert.match(own.output, /a run of model z-stalls, version 1, in its warm-up has not ended after \d+ ms/);

    // Asked for by name it is tried again, which costs one process and not the pool.
    assert.notEqual(await load(own, "z-stalls"), 200);
    await own.started(2);
    for (const name of ["a-stalls", "z-stalls"]) assert.match(await stateOf(own, name), HUNG);
    assert.equal((await inferJson(own.url, "digits", DIGIT)).outputs.length, 2);
    putModel(folder, "a-stalls", 1, loopModel());
    assert.equal(await load(own, "a-stalls"), 200);
    assert.equal(own.starts.length, 2);
    assert.equal(own.failure, undefined);
  });

  test("in service is left out for a time after the third run, and the others go on", async () => {
    putModel(folder, "loop", 1, loopModel());
    const own = await start("--run-limit-ms", "300", "--drain-ms", "3000");
    for (let death = 1; death <= 3; death++) {
      const hung = post(`${own.url}/v2/models/loop/infer`, loopRequest(ENDLESS), { "x-warmgate-timeout-ms": "1000" });
      assert.equal((await hung).status, 504);
      await own.started(death + 1);
      assert.equal((await inferJson(own.url, "digits", DIGIT)).outputs.length, 2);
    }
    assert.match(
      await stateOf(own, "loop"),
      /^UNAVAILABLE its runs brought down the serving process 3 times; it is left out for \d+ s, or until its files/,
    );
    assert.equal(own.failure, undefined);
    assert.equal(await load(own, "loop"), 200);
    assert.equal((await post(`${own.url}/v2/models/loop/infer`, loopRequest(1))).status, 200);
  });

  test("by crashing it is left out with the signal", async () => {
    const own = await start();
    putModel(folder, "crashes", 1, STALLING);
    const answer = load(own, "crashes");
    await until("its load", () => /"model":"crashes","version":"1","msg":"loading model"/.test(own.output));
    process.kill(own.serving.pid, "SIGSEGV");
    assert.equal(await answer, 0);
    await own.started(2);
    assert.match(
      await stateOf(own, "crashes"),
      /^UNAVAILABLE .* died of SIGSEGV while it was being loaded; it is left/,
    );
    assert.equal((await inferJson(own.url, "digits", DIGIT)).outputs.length, 2);
  });
});
