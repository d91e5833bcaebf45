import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { ModelInstance } from "./model-instance.ts";
import { type WarmUpReport, type WarmUpSettings, warmUp } from "./warm-up.ts";

const MODELS = fileURLToPath(new URL("../../test/models", import.meta.url));

/** Loads a model of test/models, warms it up, and lets go of it. */
async function warm(model: string, given: Partial<WarmUpSettings> = {}): Promise<WarmUpReport> {
  const file = `${MODELS}/${model}/1/model.onnx`;
  const instance = await ModelInstance.load({ file, provider: "cpu", deviceId: 0, computeThreads: 1 });
  try {
    return await warmUp(instance, {
      maxBatch: undefined,
      samples: [],
      padding: undefined,
      budgetMs: 3_000,
      ...given,
    });
  } finally {
    await instance.close();
  }
}

const sample = (name: string, datatype: string, data: unknown[]) =>
  decodeInferenceRequest(
    Buffer.from(JSON.stringify({ inputs: [{ name, datatype, shape: [1, data.length], data }] })),
    null,
  ).inputs;

describe("warm-up", () => {
  // A model's thread does not keep the process alive by itself; the pool's server does.
  const alive = setInterval(() => undefined, 1_000);
  after(() => clearInterval(alive));

  for (const model of ["identity_fp32", "identity_string", "identity_bool", "simple"]
    .map((name) => `basic/${name}`)
    .concat([
      "exporters/iris_lightgbm",
      "exporters/iris_zipmap",
      "exporters/torch_conv",
      "exporters/mlp_fp16",
      "exporters/embedding_mean",
      "exporters/roots",
    ])) {
    test(`${model}: its rows do not see each other, so it is batched`, async () => {
      const { maxBatch, notBatched, outputs } = await warm(model);
      assert.equal(maxBatch, 64, notBatched);
      for (const { shape } of outputs) assert.equal(shape[0], -1);
    });
  }

  const alone: [string, RegExp][] = [
    ["centre_axis0", /depends on the rows beside it/],
    ["softmax_axis0", /depends on the rows beside it/],
    ["positive_positions", /depends on the rows beside it|does not grow/],
    ["total", /does not grow with the batch/],
    ["conv_fixed_batch", /first dimension of input 'image' is fixed/],
    ["diabetes_ridge_fixed", /fixed/],
    ["scale", /fixed/],
  ];
  for (const [model, why] of alone) {
    test(`exporters/${model}: requests run alone, and it says why`, async () => {
      const { maxBatch, notBatched } = await warm(`exporters/${model}`);
      assert.equal(maxBatch, 0);
      assert.match(notBatched ?? "", why);
    });
  }

  test("a declared batch is taken where it can be proven and refused where it cannot", async () => {
    assert.equal((await warm("basic/simple", { maxBatch: 3 })).maxBatch, 3);
    assert.equal((await warm("basic/simple", { maxBatch: 0 })).maxBatch, 0);
    await assert.rejects(warm("exporters/centre_axis0", { maxBatch: 8 }), { code: "model_rejected" });
    await assert.rejects(warm("exporters/conv_fixed_batch", { maxBatch: 8 }), { code: "model_rejected" });
  });

  test("a model whose inputs cannot be made up is not warmed unless samples are declared", async () => {
    const cold = await warm("exporters/colour_pipeline");
    assert.equal(cold.maxBatch, 0);
    assert.match(cold.notWarmed ?? "", /no input could be derived/);
  });

  test("a declared sample that the model takes passes, one that it does not fails the load", async () => {
    assert.equal(
      (await warm("exporters/embedding_mean", { samples: [sample("token_ids", "INT64", [1, 2])] })).maxBatch,
      64,
    );
    const wrong = warm("exporters/embedding_mean", { samples: [sample("token_ids", "INT64", [99])] });
    await assert.rejects(wrong, (error: Error & { code?: string }) => {
      assert.equal(error.code, "model_rejected");
      assert.match(error.message, /warm-up sample of model.json fails/);
      return true;
    });
  });
});
