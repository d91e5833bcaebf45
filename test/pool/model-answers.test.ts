/** Every model that users bring is answered as Python's onnxruntime answers it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import { call, inferBinary, inferJson, post } from "../support/inference-call.ts";
import { assertValues, binaryRequestOf, elementsOf, hasJsonOutputs, MODEL_CASES } from "../support/model-cases.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";

/** The runtime shows an input of unknown rank like a scalar, so a scalar is all that it is given. */
const OF_UNKNOWN_RANK = "unknown_rank";

describe("answers", () => {
  let pool: PoolProcess;
  before(async () => {
    pool = await startPool({ models: [TEST_MODELS.basic, TEST_MODELS.exporters] });
  });
  after(() => pool.stop());

  for (const [index, one] of MODEL_CASES.entries()) {
    if (one.model === OF_UNKNOWN_RANK) continue;
    const title = `${one.model}, case ${index}`;
    if (one.request && hasJsonOutputs(one)) {
      test(`${title}: JSON in, JSON out`, async () => {
        const { model_name, outputs } = await inferJson(pool.url, one.model, one.request);
        assert.equal(model_name, one.model);
        assert.deepEqual(
          outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
          one.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
        );
        for (const [position, expected] of one.outputs.entries()) {
          assertValues(expected, outputs[position]?.data.flat(Number.POSITIVE_INFINITY) ?? [], expected.name);
        }
      });
    }
    test(`${title}: binary in, binary out`, async () => {
      const { outputs } = await inferBinary(pool.url, one.model, binaryRequestOf(one));
      assert.equal(outputs.length, one.outputs.length);
      for (const [position, expected] of one.outputs.entries()) {
        const output = outputs[position]!;
        assert.deepEqual(
          [output.name, output.datatype, output.shape],
          [expected.name, expected.datatype, expected.shape],
        );
        const hex = one.binary?.outputs.find(({ name }) => name === expected.name)?.hex;
        // The bits of a NaN are the processor's choice; whole numbers beyond 2^53 are only right bit by bit.
        if (hex !== undefined && /INT64/.test(expected.datatype)) {
          assert.equal(Buffer.from(output.bytes).toString("hex"), hex);
        } else {
          assertValues(expected, elementsOf(output), expected.name);
        }
      }
    });
  }

  test("numbers that JSON cannot carry are an error, not null", async () => {
    const roots = MODEL_CASES.find(({ model, binary }) => model === "roots" && binary);
    const reply = await post(`${pool.url}/v2/models/roots/infer`, roots?.request);
    assert.equal(reply.status, 500);
    assert.equal(JSON.parse(reply.body.toString()).code, "non_finite_output");
  });

  test("an input of unknown rank takes a scalar; other ranks are refused, not misread", async () => {
    const scalar = { inputs: [{ name: "x", shape: [], datatype: "FP32", data: [2] }] };
    const { outputs } = await inferJson(pool.url, OF_UNKNOWN_RANK, scalar);
    assert.deepEqual(outputs[0]?.data, [-2]);
    const cube = MODEL_CASES.find(({ model }) => model === OF_UNKNOWN_RANK);
    const reply = await post(`${pool.url}/v2/models/${OF_UNKNOWN_RANK}/infer`, cube?.request);
    assert.equal(JSON.parse(reply.body.toString()).code, "input_mismatch");
  });

  test("half precision asked for as JSON is refused", async () => {
    const half = MODEL_CASES.find(({ model }) => model === "mlp_fp16")!;
    const { body, headerLength } = encodeInferenceRequest({ ...binaryRequestOf(half), binaryOutput: false });
    const reply = await call(`${pool.url}/v2/models/mlp_fp16/infer`, {
      method: "POST",
      body: new Uint8Array(Buffer.from(body)),
      headers: { "inference-header-content-length": String(headerLength) },
    });
    assert.equal(reply.status, 400);
    assert.equal(JSON.parse(reply.body.toString()).code, "binary_required");
  });

  test("models that cannot be served are in the index with a reason, and do not hold up readiness", async () => {
    const index = JSON.parse((await post(`${pool.url}/v2/repository/index`, {})).body.toString());
    const states = new Map<string, { state: string; reason: string }>(
      index.map((entry: { name: string; state: string; reason: string }) => [entry.name, entry]),
    );
    for (const name of ["identity_bf16", "split_sequence"]) {
      assert.equal(states.get(name)?.state, "UNAVAILABLE", name);
      assert.match(states.get(name)?.reason ?? "", /[a-z]{4}/);
    }
    assert.equal([...states.values()].filter(({ state }) => state !== "READY").length, 2);
    assert.equal((await call(`${pool.url}/v2/health/ready`)).status, 200);
  });

  test("models whose rows are independent are batched, all others run one by one", async () => {
    const batched = async (model: string) =>
      JSON.parse((await call(`${pool.url}/v2/models/${model}/config`)).body.toString()).max_batch_size > 0;
    for (const model of ["simple", "identity_fp32", "iris_lightgbm", "iris_zipmap", "torch_mlp", "simple_string"]) {
      assert.equal(await batched(model), true, model);
    }
    for (const model of ["centre_axis0", "softmax_axis0", "total", "conv_fixed_batch", "diabetes_ridge_fixed"]) {
      assert.equal(await batched(model), false, model);
    }
  });
});
