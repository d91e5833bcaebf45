/** The memory of a real GPU: what models are measured to take, what does not fit, and what is done when it runs out. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import { hasCuda } from "../support/cuda-host.ts";
import { detourModel, detourRequest } from "../support/detour-model.ts";
import { fp32Request, type HttpReply, inferJson, post } from "../support/inference-call.ts";
import { putModel } from "../support/loop-model.ts";
import { perceptron } from "../support/onnx-builder.ts";
import { linkModels, type PoolProcess, TEST_MODELS } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";
import { until, within } from "../support/until.ts";
import { gpuPool } from "./gpu-pool.ts";
import { usedMib } from "./read-gpu.ts";

const MIB = 1024 ** 2;
const SIDE = 8_192;
/** The one layer of the perceptron. */
const WEIGHTS_MIB = (SIDE * SIDE * 4) / MIB;
const ROW = fp32Request("input", [1, SIDE], new Array(SIDE).fill(0.5));
const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));

const load = (pool: PoolProcess, model: string) => post(`${pool.url}/v2/repository/models/${model}/load`, {});
const detour = (pool: PoolProcess, rows: number, columns: number): Promise<HttpReply> =>
  post(`${pool.url}/v2/models/detour/infer`, detourRequest(rows, columns));

function assertAnswered(reply: HttpReply, rows: number, columns: number): void {
  assert.equal(reply.status, 200, reply.body.toString().slice(0, 500));
  assert.deepEqual(JSON.parse(reply.body.toString()).outputs[0].data, detourRequest(rows, columns).inputs[0]?.data);
}

/** Takes all of the GPU's memory but for some. @returns a function that gives it back */
async function takeMemory(leaveMib: number): Promise<() => Promise<void>> {
  const hog = fork(new URL("./memory-hog.ts", import.meta.url), [String(leaveMib * MIB)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  await within("the memory to be taken", once(hog, "message"));
  return async () => {
    hog.kill("SIGKILL");
    await once(hog, "exit");
  };
}

describe("a GPU's memory", { skip: !hasCuda }, () => {
  const gpu = gpuPool();
  const putLarge = (name: string, evictable: boolean) =>
    putModel(gpu.folder, name, 1, perceptron([SIDE, SIDE]), { evictable, maxBatch: 4 });

  test("is measured: a load that does not fit is refused with the numbers, and a model that may go makes room", async () => {
    putLarge("first", false);
    // The first one is reckoned to take twice its weights, and less than that once it is there.
    const pool = await gpu.start(["--device-memory-bytes", String(3.5 * WEIGHTS_MIB * MIB)]);
    const taken = async (model: string) =>
      (await scrape(pool)).get(`warmgate_pool_device_memory_bytes{device="cuda:0",model="${model}",version="1"}`) ?? 0;
    const first = (await taken("first")) / MIB;
    console.log(`weights of ${WEIGHTS_MIB} MiB were measured to take ${first} MiB`);
    assert.ok(first >= WEIGHTS_MIB && first < 1.5 * WEIGHTS_MIB, `${first} MiB`);

    putLarge("second", true);
    assert.equal((await load(pool, "second")).status, 200);
    putLarge("third", false);
    assert.equal((await load(pool, "third")).status, 200);
    const index: { name: string; reason: string }[] = JSON.parse(
      (await post(`${pool.url}/v2/repository/index`, {})).body.toString(),
    );
    assert.equal(index.find(({ name }) => name === "second")?.reason, "evicted to make room for another model");

    putLarge("fourth", false);
    const refused = await load(pool, "fourth");
    assert.equal(refused.status, 400);
    const { code, error } = JSON.parse(refused.body.toString());
    console.log(error);
    assert.equal(code, "model_rejected");
    assert.match(error, /does not fit on the device: needs 512 MiB, \d+ MiB of 896 MiB are free: /);
    for (const model of ["first", "third"]) assert.equal((await inferJson(pool.url, model, ROW)).model_name, model);

    const before = await usedMib();
    await post(`${pool.url}/v2/repository/models/first/unload`, {});
    const given = await until("memory to be given back", async () => {
      const now = before - (await usedMib());
      return now >= WEIGHTS_MIB && now;
    });
    console.log(`unloading it gave back ${given} MiB`);
  });

  test("runs out: a batch is run in parts, a row fails alone, new sessions help, and another model goes on", async () => {
    linkModels(gpu.folder, join(TEST_MODELS.digits, "digits"));
    putModel(gpu.folder, "detour", 1, detourModel(), { maxBatch: 2, instances: 1 });
    const pool = await gpu.start();
    assertAnswered(await detour(pool, 2, 8), 2, 8);
    const giveBack = await takeMemory(2_048);
    try {
      const failures = async () =>
        (await scrape(pool)).get('warmgate_pool_device_failures_total{device="cuda:0",kind="out_of_memory"}') ?? 0;
      const renewals = async () =>
        (await scrape(pool)).get('warmgate_pool_session_renewals_total{device="cuda:0",outcome="renewed"}') ?? 0;
      console.log(`${await usedMib()} MiB of the GPU are taken`);

      assertAnswered(await detour(pool, 2, 24), 2, 24);
      assert.ok((await failures()) > 0, "two rows of 3 GiB each have found memory together");

      const told: number[] = [];
      const large = await until("new sessions to help", async () => {
        const reply = await detour(pool, 1, 36);
        told.push(reply.status);
        if (reply.status === 503) assert.ok(Number(reply.headers.get("retry-after")) >= 1);
        assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_name, "digits");
        return reply.status === 200 && reply;
      });
      console.log(`a row of 4.5 GiB was told ${told.join(", ")}`);
      assertAnswered(large, 1, 36);
      assert.deepEqual([...new Set(told)], [503, 200]);
      assert.ok((await renewals()) >= 1);

      const beyond: string[] = [];
      await until("it to rest", async () => {
        const reply = await detour(pool, 1, 100);
        assert.equal(reply.status, 503);
        beyond.push(JSON.parse(reply.body.toString()).error);
        return beyond.at(-1)?.includes("no memory left for this model");
      });
      console.log(`a row of 12.5 GiB was told: ${[...new Set(beyond)].join(" / ")}`);
      assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_name, "digits");
    } finally {
      await giveBack();
    }
    const answered = await until("it to be tried again", async () => {
      const reply = await detour(pool, 1, 100);
      return reply.status === 200 && reply;
    });
    assertAnswered(answered, 1, 100);
    assert.equal(pool.starts.length, 1);
  });
});
