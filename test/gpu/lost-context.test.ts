/** A kernel that goes wrong takes the process's CUDA context with it: nothing more can be computed there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { hasCuda } from "../support/cuda-host.ts";
import { fp32Request, inferJson, post } from "../support/inference-call.ts";
import { putModel } from "../support/loop-model.ts";
import { linkModels, TEST_MODELS } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";
import { LONGEST_LENGTH, reverseModel, reverseRequest } from "../support/reverse-model.ts";
import { until } from "../support/until.ts";
import { gpuPool } from "./gpu-pool.ts";

const FAR_BEYOND = 1_000_000_000;
const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));

describe("a lost CUDA context", { skip: !hasCuda }, () => {
  const gpu = gpuPool();
  let built: string;
  before(() => {
    built = mkdtempSync(join(tmpdir(), "warmgate-context-"));
    const source = fileURLToPath(new URL("./lose-context.c", import.meta.url));
    execFileSync("cc", ["-shared", "-fPIC", "-o", join(built, "lose-context.so"), source, "-ldl", "-lpthread"]);
  });
  after(() => rmSync(built, { recursive: true, force: true }));

  test("costs what was being run and a new process, at once, and nothing is answered wrongly", async () => {
    linkModels(gpu.folder, join(TEST_MODELS.digits, "digits"));
    const file = join(built, "now");
    const pool = await gpu.start([], { LD_PRELOAD: join(built, "lose-context.so"), LOSE_CONTEXT_FILE: file });
    const { outputs: right } = await inferJson(pool.url, "digits", DIGIT);
    const { pid } = pool.serving;
    writeFileSync(`${file}.${pid}`, "");
    const told = new Map<string, number>();
    let lostAt: number | undefined;
    await until("a new process", async () => {
      const answer = await post(`${pool.url}/v2/models/digits/infer`, DIGIT).catch(() => undefined);
      const reply = answer && JSON.parse(answer.body.toString());
      if (answer?.status === 200) assert.deepEqual(reply.outputs, right);
      else lostAt ??= performance.now();
      const what = answer ? `${answer.status} ${reply.code ?? ""}`.trim() : "no connection";
      told.set(what, (told.get(what) ?? 0) + 1);
      await delay(5);
      return pool.serving.pid !== pid;
    });
    const tookMs = performance.now() - (lostAt ?? Number.NaN);
    console.log(
      `told ${JSON.stringify(Object.fromEntries(told))}; back ${Math.round(tookMs)} ms after the first refusal`,
    );
    assert.match(pool.output, /the device's context is lost/);
    assert.deepEqual(
      [...told.keys()].filter((what) => !/^200|^500 model_failed|^503 |^no connection/.test(what)),
      [],
    );
    assert.deepEqual((await inferJson(pool.url, "digits", DIGIT)).outputs, right);
    assert.equal((await scrape(pool)).get('warmgate_pool_device_failures_total{device="cuda:0",kind="sticky"}'), 0);
  });

  test("that a model's runs bring about again and again costs that model a rest, and the others three new processes", async () => {
    linkModels(gpu.folder, join(TEST_MODELS.digits, "digits"));
    putModel(gpu.folder, "reverse", 1, reverseModel());
    const pool = await gpu.start();
    const reverse = (length: number) => post(`${pool.url}/v2/models/reverse/infer`, reverseRequest(length));
    const { outputs: right } = await inferJson(pool.url, "digits", DIGIT);
    for (let death = 1; death <= 3; death++) {
      assert.equal((await reverse(3)).status, 200);
      const { status, body } = await reverse(FAR_BEYOND);
      // Nothing that anybody would send to another node.
      assert.equal(status, 500, body.toString());
      await pool.started(death + 1);
      assert.deepEqual((await inferJson(pool.url, "digits", DIGIT)).outputs, right);
    }
    assert.notEqual((await reverse(3)).status, 200);
    assert.match(pool.output, /its runs brought down the serving process 3 times; it is left out for 60 s/);
  });

  test("is out of reach of callers where the model's owner declares which values it takes", async () => {
    putModel(gpu.folder, "reverse", 1, reverseModel(), { ranges: { lengths: { min: 0, max: LONGEST_LENGTH } } });
    const pool = await gpu.start();
    const { status } = await post(`${pool.url}/v2/models/reverse/infer`, reverseRequest(FAR_BEYOND));
    assert.equal(status, 400);
    const { outputs } = await inferJson(pool.url, "reverse", reverseRequest(3));
    assert.deepEqual(outputs[0]?.data, [2, 1, 0, 3]);
    assert.equal(pool.starts.length, 1);
  });
});
