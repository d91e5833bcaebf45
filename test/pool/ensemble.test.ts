/** Ensembles in a real pool: what they answer, what they count, and what becomes of them as their members change. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { call, fp32Request, type HttpReply, inferBinary, inferJson, post } from "../support/inference-call.ts";
import { loopModel, putModel } from "../support/loop-model.ts";
import { perceptron } from "../support/onnx-builder.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account, scrape } from "../support/pool-metrics.ts";
import { until } from "../support/until.ts";

const MAIN = new URL("../../infra/cli/main.ts", import.meta.url).pathname;
/** A good part of a second. */
const TURNS = 300_000;

const errorOf = ({ body }: HttpReply) =>
  z.object({ code: z.string(), error: z.string() }).parse(JSON.parse(body.toString()));
const configSchema = z.object({
  platform: z.string(),
  max_batch_size: z.int(),
  ensemble_scheduling: z.object({
    step: z.array(
      z.object({
        ...{ model_name: z.string(), model_version: z.int() },
        ...{ input_map: z.record(z.string(), z.string()), output_map: z.record(z.string(), z.string()) },
      }),
    ),
  }),
  parameters: z.object({ digest: z.object({ string_value: z.string() }) }),
});
const statisticsSchema = z.object({
  model_stats: z.tuple([
    z.object({
      execution_count: z.int(),
      inference_stats: z.object({ success: z.object({ count: z.int() }), fail: z.object({ count: z.int() }) }),
    }),
  ]),
});
const indexSchema = z.array(z.object({ name: z.string(), state: z.string(), reason: z.string() }));

const fp32 = (name: string, shape: readonly number[]) => ({ name, datatype: "FP32", shape });
const layer = (model: string, from: string, to: string) => ({
  ...{ model, version: "1", inputs: { input: from }, outputs: { output: to } },
});
const CHAIN = {
  inputs: [fp32("x", [-1, 8])],
  steps: [layer("back", "middle", "y"), layer("front", "x", "middle")],
  outputs: ["y"],
};
const adder = (a: string, b: string, sum: string, difference: string) => ({
  ...{
    model: "simple",
    version: "1",
    inputs: { INPUT0: a, INPUT1: b },
    outputs: { OUTPUT0: sum, OUTPUT1: difference },
  },
});
const int32 = (name: string, shape = [-1, 16]) => ({ name, datatype: "INT32", shape });
/** a and b by way of their sum and difference: 2a and 2b. */
const TWICE = {
  inputs: [int32("a"), int32("b")],
  steps: [adder("a", "b", "sum", "difference"), adder("sum", "difference", "twice_a", "twice_b")],
  outputs: ["twice_a", "twice_b", "sum"],
};
const turns = (from: string, to: string) => ({
  ...{ model: "loop", version: "1", inputs: { count: "count", input: from }, outputs: { output: to } },
});

const rowOf = (seed: number) => Array.from({ length: 8 }, (_, place) => Math.sin(seed * 8 + place));
const chainRequest = (row: readonly number[]) => fp32Request("x", [1, 8], row);
const loopRequest = {
  inputs: [
    { name: "count", shape: [1], datatype: "INT64", data: [TURNS] },
    { name: "x", shape: [1], datatype: "FP32", data: [0.5] },
  ],
};

describe("an ensemble", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-ensemble-"));
  let pool: PoolProcess;
  const putEnsemble = (name: string, ensemble: object, settings: object = {}) => {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "model.json"), JSON.stringify({ ensemble, ...settings }));
  };
  const load = (name: string) => post(`${pool.url}/v2/repository/models/${name}/load`, {});
  const configOf = async (name: string) =>
    configSchema.parse(JSON.parse((await call(`${pool.url}/v2/models/${name}/config`)).body.toString()));
  const statisticsOf = async (name: string) => {
    const { body } = await call(`${pool.url}/v2/models/${name}/stats`);
    return statisticsSchema.parse(JSON.parse(body.toString())).model_stats[0];
  };
  const entryOf = async (name: string) => {
    const { body } = await post(`${pool.url}/v2/repository/index`, {});
    return indexSchema.parse(JSON.parse(body.toString())).find((entry) => entry.name === name);
  };
  const numbersOf = async (model: string, request: unknown, output: string) => {
    const { outputs } = await inferJson(pool.url, model, request);
    return z.array(z.number()).parse(outputs.find(({ name }) => name === output)?.data);
  };
  /** One after the other, as a caller without the ensemble would. */
  const byHand = async (row: readonly number[]) => {
    const middle = await numbersOf("front", fp32Request("input", [1, 8], row), "output");
    return numbersOf("back", fp32Request("input", [1, 4], middle), "output");
  };

  before(async () => {
    linkModels(folder, join(TEST_MODELS.basic, "simple"));
    putModel(folder, "front", 1, perceptron([8, 16, 4]));
    putModel(folder, "back", 1, perceptron([4, 16, 3]));
    putModel(folder, "strict", 1, perceptron([4, 3]), { nonFinite: "refuse" });
    putModel(folder, "loop", 1, loopModel());
    putEnsemble("chain", CHAIN, { description: "two layers" });
    putEnsemble("twice", TWICE);
    putEnsemble("fragile", { ...CHAIN, steps: [layer("front", "x", "middle"), layer("strict", "middle", "y")] });
    putEnsemble("round", { ...CHAIN, steps: [layer("front", "y", "middle"), layer("back", "middle", "y")] });
    const count = { name: "count", datatype: "INT64", shape: [1] };
    const steps = [turns("x", "half"), turns("half", "y")];
    putEnsemble("slow", { inputs: [count, fp32("x", [1])], steps, outputs: ["y"] });
    pool = await startPool({ models: [folder] });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("answers what its members answer by hand, alone and beside what others ask of them", async () => {
    const rows = Array.from({ length: 24 }, (_, seed) => rowOf(seed));
    const expected = await Promise.all(rows.map(byHand));
    const answers = await Promise.all(rows.flatMap((row) => [numbersOf("chain", chainRequest(row), "y"), byHand(row)]));
    for (const [index, numbers] of answers.entries()) {
      for (const [place, wanted] of (expected[index >> 1] ?? []).entries()) {
        assert.ok(Math.abs((numbers[place] ?? Number.NaN) - wanted) < 1e-5);
      }
    }
  });

  test("may have a model as more than one step, answers in the order asked for, and takes batches", async () => {
    const a = Array.from({ length: 32 }, (_, place) => place * 3);
    const b = Array.from({ length: 32 }, (_, place) => 100 - place);
    const inputs = [
      { ...int32("a", [2, 16]), data: a },
      { ...int32("b", [2, 16]), data: b },
    ];
    const { outputs } = await inferJson(pool.url, "twice", { inputs, outputs: [{ name: "twice_b" }, { name: "sum" }] });
    assert.deepEqual(outputs, [
      { ...int32("twice_b", [2, 16]), data: b.map((value) => value * 2) },
      { ...int32("sum", [2, 16]), data: a.map((value, place) => value + (b[place] ?? 0)) },
    ]);
  });

  test("costs rows and device time of all of its steps", async () => {
    const { headers, status } = await post(`${pool.url}/v2/models/chain/infer`, chainRequest(rowOf(1)));
    assert.equal(status, 200);
    assert.match(headers.get("x-warmgate-usage") ?? "", /^rows=2;device=\d/);
    assert.equal(headers.get("x-warmgate-artefact"), (await configOf("chain")).parameters.digest.string_value);
  });

  test("is described with its steps, in Triton's words, and with its platform", async () => {
    const { platform, max_batch_size: maxBatch, ensemble_scheduling: scheduling } = await configOf("chain");
    assert.equal(platform, "warmgate_ensemble");
    assert.ok(maxBatch > 1);
    assert.deepEqual(scheduling.step, [
      { model_name: "front", model_version: 1, input_map: { input: "x" }, output_map: { output: "middle" } },
      { model_name: "back", model_version: 1, input_map: { input: "middle" }, output_map: { output: "y" } },
    ]);
    const { body } = await call(`${pool.url}/v2/models/chain`);
    const { platform: inMetadata, inputs, outputs } = JSON.parse(body.toString());
    assert.equal(inMetadata, "warmgate_ensemble");
    assert.deepEqual([inputs, outputs], [[fp32("x", [-1, 8])], [fp32("y", [-1, 3])]]);
  });

  test("whose steps go in a circle is refused with the way, and the others serve", async () => {
    const { state, reason } = (await entryOf("round")) ?? {};
    assert.equal(state, "UNAVAILABLE");
    assert.match(reason ?? "", /its steps go in a circle: front -> back -> front/);
    const reply = await post(`${pool.url}/v2/models/round/infer`, chainRequest(rowOf(1)));
    assert.deepEqual([reply.status, errorOf(reply).code], [503, "model_not_ready"]);
    assert.equal((await call(`${pool.opsUrl}/readyz`)).status, 200);
  });

  test("that fails says in which step, with that step's code", async () => {
    const bytes = new Uint8Array(new Float32Array(8).fill(Number.NaN).buffer);
    const x: Tensor = { name: "x", datatype: "FP32", shape: [1, 8], bytes };
    await assert.rejects(inferBinary(pool.url, "fragile", { parameters: {}, inputs: [x], binaryOutput: true }), {
      message: /"step strict\/1: [^"]+","code":"non_finite_output"/,
    });
  });

  test("whose time runs out in a step is told so by that step, and runs no further one", async () => {
    const before = (await statisticsOf("loop")).execution_count;
    const reply = await post(`${pool.url}/v2/models/slow/infer`, loopRequest, { "x-warmgate-timeout-ms": "50" });
    const { code, error } = errorOf(reply);
    assert.equal(reply.status, 504);
    assert.match(code, /^deadline_/);
    assert.match(error, /^step loop\/1: /);
    await until("the device to be idle", async () => (await scrape(pool)).get("warmgate_pool_running_batches") === 0);
    assert.ok((await statisticsOf("loop")).execution_count <= before + 1, "the second step was run");
  });

  test("whose caller has gone runs no further step", async () => {
    const idle = async () => (await scrape(pool)).get("warmgate_pool_running_batches") === 0;
    await until("the device to be idle", idle);
    const before = await statisticsOf("loop");
    const { cancelled } = await account(pool);
    const leaving = new AbortController();
    const asked = fetch(`${pool.url}/v2/models/slow/infer`, {
      ...{ method: "POST", body: JSON.stringify(loopRequest), signal: leaving.signal },
    });
    await until("its first step to run", async () => !(await idle()));
    leaving.abort();
    await assert.rejects(asked);
    await until("it to be counted", async () => (await account(pool)).cancelled === cancelled + 1);
    await until("the device to be idle", idle);
    assert.equal((await statisticsOf("loop")).execution_count, before.execution_count + 1);
  });

  test("takes up a member's new content under load without a failed request, under a new digest", async () => {
    const digest = async () => (await configOf("chain")).parameters.digest.string_value;
    const old = await digest();
    const row = rowOf(5);
    const before = await byHand(row);
    const { failed, rejected } = await account(pool);
    let done = false;
    const answers: { artefact: string | null; numbers: number[] }[] = [];
    const callers = Array.from({ length: 4 }, async () => {
      while (!done) {
        const reply = await post(`${pool.url}/v2/models/chain/infer`, chainRequest(row));
        const { outputs } = z
          .object({ outputs: z.tuple([z.object({ data: z.array(z.number()) })]) })
          .parse(JSON.parse(reply.body.toString()));
        answers.push({ artefact: reply.headers.get("x-warmgate-artefact"), numbers: outputs[0].data });
      }
    });
    putModel(folder, "back", 1, perceptron([4, 32, 3]));
    assert.equal((await load("back")).status, 200);
    const now = await digest();
    await until("answers of the new content", () => answers.some(({ artefact }) => artefact === now));
    done = true;
    await Promise.all(callers);
    assert.notEqual(now, old);
    const after = await byHand(row);
    for (const { artefact, numbers } of answers) {
      const wanted = artefact === old ? before : after;
      for (const [place, number] of numbers.entries())
        assert.ok(Math.abs(number - (wanted[place] ?? Number.NaN)) < 1e-5);
    }
    const counted = await account(pool);
    assert.deepEqual([counted.failed, counted.rejected], [failed, rejected]);
  });

  test("is not ready while a member is unloaded, with the reason, and comes back with it", async () => {
    assert.equal((await post(`${pool.url}/v2/repository/models/simple/unload`, {})).status, 200);
    assert.match((await entryOf("twice"))?.reason ?? "", /steps\[0\] \(simple\/1\) is not ready: unloaded/);
    assert.equal((await call(`${pool.url}/v2/models/twice/ready`)).status, 503);
    assert.equal((await load("simple")).status, 200);
    assert.equal((await call(`${pool.url}/v2/models/twice/ready`)).status, 200);
  });

  test("counts once a request in every total, and each member's steps in its statistics", async () => {
    const outcomes = async () => {
      const figures = await scrape(pool);
      const of = (model: string) =>
        figures.get(`warmgate_pool_inferences_total{model="${model}",version="1",outcome="ok"}`) ?? 0;
      return { chain: of("chain"), front: of("front") };
    };
    const [before, own, member] = [await outcomes(), await statisticsOf("chain"), await statisticsOf("front")];
    for (let seed = 0; seed < 3; seed++) await numbersOf("chain", chainRequest(rowOf(seed)), "y");
    assert.deepEqual(await outcomes(), { chain: before.chain + 3, front: before.front });
    const success = async (model: string) => (await statisticsOf(model)).inference_stats.success.count;
    assert.equal(await success("chain"), own.inference_stats.success.count + 3);
    assert.equal(await success("front"), member.inference_stats.success.count + 3);
    const { received, ok, rejected, failed, cancelled, inFlight } = await account(pool);
    assert.equal(received, ok + rejected + failed + cancelled + inFlight);
    assert.equal(inFlight, 0);
  });

  test("is listed, inspected and validated at the command line", async () => {
    const run = async (...args: string[]) => {
      const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, "models", ...args], {
        ...{ stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, WARMGATE_POOL_URL: pool.url } },
      });
      return text(child.stdout);
    };
    const { digest } = (await configOf("chain")).parameters;
    const [listed, onDisk, validated] = await Promise.all([
      run("ls"),
      run("inspect", join(folder, "chain")),
      run("validate", join(folder, "round")),
    ]);
    assert.match(listed, new RegExp(`^chain +1 +READY .*${digest.string_value.slice(0, 16)}`, "m"));
    assert.match(onDisk, new RegExp(`^digest +${digest.string_value}$`, "m"));
    assert.match(onDisk, /^front +1 +[0-9a-f]{16}$/m);
    assert.match(validated, /^round +1 +ensemble +its steps go in a circle: front -> back -> front$/m);
  });
});
