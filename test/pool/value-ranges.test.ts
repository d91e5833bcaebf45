/** Values that a model's owner rules out are refused before anything runs. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { call, fp32Request, inferBinary, inferJson, post } from "../support/inference-call.ts";
import { putModel } from "../support/loop-model.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { stateOf } from "../support/repository-index.ts";
import { LONGEST_LENGTH, reverseModel, reverseRequest } from "../support/reverse-model.ts";

const IDENTITY = join(TEST_MODELS.basic, "identity_fp32", "1", "model.onnx");
const WORDS = join(TEST_MODELS.basic, "identity_string", "1", "model.onnx");
/** What is sent goes by one model without ranges to one with them. */
const TWO_STEPS = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, -1] }],
  steps: [
    { model: "identity_fp32", version: "1", inputs: { INPUT0: "x" }, outputs: { OUTPUT0: "between" } },
    { model: "identity", version: "1", inputs: { INPUT0: "between" }, outputs: { OUTPUT0: "y" } },
  ],
  outputs: ["y"],
};

describe("declared ranges of values", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-ranges-"));
  const ranges = { lengths: { min: 1, max: LONGEST_LENGTH } };
  let pool: PoolProcess;
  before(async () => {
    putModel(folder, "reverse", 1, reverseModel(), { ranges });
    putModel(folder, "open", 1, reverseModel());
    putModel(folder, "identity", 1, readFileSync(IDENTITY), { ranges: { INPUT0: { min: 0, max: 0.1 } } });
    putModel(folder, "words", 1, readFileSync(WORDS), { ranges: { INPUT0: { max: 4 } } });
    mkdirSync(join(folder, "two-steps"));
    writeFileSync(join(folder, "two-steps", "model.json"), JSON.stringify({ ensemble: TWO_STEPS }));
    putModel(folder, "misnamed", 1, reverseModel(), { ranges: { length: { max: 4 } } });
    putModel(folder, "outside", 1, reverseModel(), { ranges, warmup: [reverseRequest(5)] });
    linkModels(folder, join(TEST_MODELS.basic, "identity_fp32"));
    pool = await startPool({ models: [folder] });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const binaryRequest = (length: bigint) => ({
    parameters: {},
    inputs: [
      {
        name: "lengths",
        datatype: "INT64" as const,
        shape: [1],
        bytes: new Uint8Array(BigInt64Array.of(length).buffer),
      },
    ],
    binaryOutput: true,
  });
  const refusalOf = async (model: string, request: unknown) => {
    const { status, body } = await post(`${pool.url}/v2/models/${model}/infer`, request);
    return { status, ...JSON.parse(body.toString()) };
  };

  test("what is within is answered as without them", async () => {
    const answers = ["reverse", "open"].map((model) => inferJson(pool.url, model, reverseRequest(LONGEST_LENGTH)));
    const [ranged, open] = await Promise.all(answers);
    assert.deepEqual(ranged?.outputs, open?.outputs);
    assert.deepEqual(ranged?.outputs[0]?.data, [3, 2, 1, 0]);
  });

  test("what is outside is told with its place and what is taken, in JSON and in binary form", async () => {
    const message = "input 'lengths' has 1000000000 at element 0; the model takes 1 to 4";
    const { status, code, error } = await refusalOf("reverse", reverseRequest(1_000_000_000));
    assert.deepEqual([status, code], [400, "invalid_data"]);
    assert.equal(error, message);
    await assert.rejects(inferBinary(pool.url, "reverse", binaryRequest(1_000_000_000n)), (error: Error) =>
      error.message.includes(message),
    );
  });

  test("hold for every row of a batch, and elements count through it", async () => {
    const { outputs } = await inferJson(pool.url, "identity", fp32Request("INPUT0", [2, 2], [0, 0.1, 0.1, 0]));
    assert.deepEqual(outputs[0]?.data.flat(), [0, 0.1, 0.1, 0].map(Math.fround));
    const { status, code, error } = await refusalOf("identity", fp32Request("INPUT0", [2, 2], [0, 0.1, 0, 0.25]));
    assert.deepEqual([status, code], [400, "invalid_data"]);
    assert.equal(error, "input 'INPUT0' has 0.25 at element 3; the model takes 0 to 0.1");
  });

  test("hold for what one step of an ensemble hands to another", async () => {
    const { status, code, error } = await refusalOf("two-steps", fp32Request("x", [1, 2], [0, 7]));
    assert.deepEqual([status, code], [400, "invalid_data"]);
    assert.equal(error, "step identity/1: input 'INPUT0' has 7 at element 1; the model takes 0 to 0.1");
  });

  test("are told with the model's configuration", async () => {
    const config = async (model: string) =>
      JSON.parse((await call(`${pool.url}/v2/models/${model}/config`)).body.toString()).parameters.ranges;
    assert.equal((await config("reverse")).string_value, JSON.stringify(ranges));
    assert.equal(await config("open"), undefined);
  });

  test("that do not fit the model, or its own warm-up requests, keep it from being served, with the reason", async () => {
    assert.match(
      await stateOf(pool, "misnamed"),
      /^UNAVAILABLE .*ranges do not fit the model: there is no input 'length'/,
    );
    assert.match(await stateOf(pool, "words"), /^UNAVAILABLE .*input 'INPUT0' is BYTES, which has no ranges/);
    assert.match(
      await stateOf(pool, "outside"),
      /^UNAVAILABLE .*warm-up sample.* 'lengths' has 5 at element 0; the model takes 1 to 4/,
    );
  });
});
