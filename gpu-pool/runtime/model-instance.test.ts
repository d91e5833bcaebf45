import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { addSlowModel, SLOW_REQUEST } from "../../test/support/slow-model.ts";
import { until } from "../../test/support/until.ts";
import { TakenBack } from "../scheduler/executor.ts";
import { joinRows } from "./batch.ts";
import { ModelInstance } from "./model-instance.ts";
import type { TransferableTensor } from "./ort-tensor.ts";

const MODELS = fileURLToPath(new URL("../../test/models", import.meta.url));
const load = (file: string) => ModelInstance.load({ file, provider: "cpu", deviceId: 0, computeThreads: 1 });
const threads = () =>
  process.getActiveResourcesInfo().filter((kind) => kind === "MessagePort" || kind === "Worker").length;

const ids = (...values: number[]): TransferableTensor => ({
  name: "token_ids",
  datatype: "INT64",
  shape: [1, values.length],
  buffer: BigInt64Array.from(values, BigInt).buffer,
});

describe("a model in its thread", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-instance-"));
  // A model's thread does not keep the process alive by itself; the pool's server does.
  const alive = setInterval(() => undefined, 1_000);
  before(() => addSlowModel(folder));
  after(() => {
    clearInterval(alive);
    rmSync(folder, { recursive: true, force: true });
  });

  test("a load that fails says why without paths, and leaves no thread behind", async () => {
    const before = threads();
    for (const name of ["empty", "truncated", "unknown_operator", "external_escape"]) {
      await assert.rejects(load(`${MODELS}/hostile/${name}/1/model.onnx`), (error: Error & { code?: string }) => {
        assert.equal(error.code, "model_rejected");
        assert.ok(!error.message.includes(MODELS));
        return true;
      });
    }
    await until("the threads to be gone", () => threads() === before);
  });

  test("a file that is not there is refused like any other", async () => {
    await assert.rejects(load(`${MODELS}/nothing.onnx`), { code: "model_rejected" });
  });

  test("each of many runs gets its own answer, also when one among them fails", async () => {
    const instance = await load(`${MODELS}/exporters/embedding_mean/1/model.onnx`);
    const run = (id: number) => instance.run([ids(id)], ["embedding"]);
    const alone = await Promise.all([0, 1, 2, 3].map(run));
    const [first, failed, last] = await Promise.allSettled([run(1), run(99), run(3)]);
    assert.equal(failed!.status, "rejected");
    assert.ok(failed!.status === "rejected" && failed!.reason.code === "model_failed");
    for (const [outcome, id] of [
      [first, 1],
      [last, 3],
    ] as const) {
      assert.ok(outcome?.status === "fulfilled");
      assert.deepEqual(outcome.value.outputs[0]?.buffer, alone[id]!.outputs[0]?.buffer);
    }
    await instance.close();
  });

  test("a run that waits for another can be taken back; one that has begun goes on", async () => {
    const instance = await load(join(folder, "slow", "1", "model.onnx"));
    const [input] = decodeInferenceRequest(Buffer.from(JSON.stringify(SLOW_REQUEST)), null).inputs;
    const run = () => instance.run([joinRows([input!])], ["output"]);
    const [first, second] = [run(), run()];
    instance.takeBack();
    await assert.rejects(second, TakenBack);
    const alone = run();
    instance.takeBack();
    for (const { outputs } of [await first, await alone]) assert.equal(outputs[0]?.shape[0], input!.shape[0]);
    await instance.close();
  });

  test("closing lets the runs that have begun finish, and takes no more", async () => {
    const instance = await load(join(folder, "slow", "1", "model.onnx"));
    const [input] = decodeInferenceRequest(Buffer.from(JSON.stringify(SLOW_REQUEST)), null).inputs;
    const runs = [1, 2].map(() => instance.run([joinRows([input!])], ["output"]));
    const closed = instance.close();
    await assert.rejects(instance.run([joinRows([input!])], ["output"]), { code: "model_not_ready" });
    for (const { outputs } of await Promise.all(runs)) assert.deepEqual(outputs[0]?.shape[0], input!.shape[0]);
    await closed;
    await instance.close();
    await assert.rejects(instance.run([], []), { code: "model_not_ready" });
  });

  test("closing is no crash", async () => {
    const instance = await load(`${MODELS}/basic/simple/1/model.onnx`);
    let crashes = 0;
    instance.onCrash = () => crashes++;
    await instance.close();
    assert.equal(crashes, 0);
  });
});
