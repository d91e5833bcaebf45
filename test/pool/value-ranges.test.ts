/** Values that a model's owner rules out are refused before anything runs. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { call, inferBinary, inferJson, post } from "../support/inference-call.ts";
import { putModel } from "../support/loop-model.ts";
import { type PoolProcess, startPool } from "../support/pool.ts";
import { LONGEST_LENGTH, reverseModel, reverseRequest } from "../support/reverse-model.ts";

describe("declared ranges of values", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-ranges-"));
  const ranges = { lengths: { min: 1, max: LONGEST_LENGTH } };
  let pool: PoolProcess;
  before(async () => {
    putModel(folder, "reverse", 1, reverseModel(), { ranges });
    putModel(folder, "open", 1, reverseModel());
    putModel(folder, "misnamed", 1, reverseModel(), { ranges: { length: { max: 4 } } });
    putModel(folder, "outside", 1, reverseModel(), { ranges, warmup: [reverseRequest(5)] });
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
  const reasonFor = async (name: string): Promise<string> => {
    const index: { name: string; state: string; reason: string }[] = JSON.parse(
      (await post(`${pool.url}/v2/repository/index`, {})).body.toString(),
    );
    const entry = index.find((one) => one.name === name);
    return `${entry?.state}: ${entry?.reason}`;
  };

  test("what is within is answered as without them", async () => {
    const answers = ["reverse", "open"].map((model) => inferJson(pool.url, model, reverseRequest(LONGEST_LENGTH)));
    const [ranged, open] = await Promise.all(answers);
    assert.deepEqual(ranged?.outputs, open?.outputs);
    assert.deepEqual(ranged?.outputs[0]?.data, [3, 2, 1, 0]);
  });

  test("what is outside is told with its place and what is taken, in JSON and in binary form", async () => {
    const message = "input 'lengths' has 1000000000 at element 0; the model takes 1 to 4";
    const { status, body } = await post(`${pool.url}/v2/models/reverse/infer`, reverseRequest(1_000_000_000));
    assert.equal(status, 400);
    const reply = JSON.parse(body.toString());
    assert.equal(reply.code, "invalid_data");
    assert.equal(reply.error, message);
    await assert.rejects(inferBinary(pool.url, "reverse", binaryRequest(1_000_000_000n)), (error: Error) =>
      error.message.includes(message),
    );
  });

  test("are told with the model's configuration", async () => {
    const config = async (model: string) =>
      JSON.parse((await call(`${pool.url}/v2/models/${model}/config`)).body.toString()).parameters.ranges;
    assert.equal((await config("reverse")).string_value, JSON.stringify(ranges));
    assert.equal(await config("open"), undefined);
  });

  test("that do not fit the model, or its own warm-up requests, keep it from being served, with the reason", async () => {
    assert.match(
      await reasonFor("misnamed"),
      /^UNAVAILABLE: .*ranges do not fit the model: there is no input 'length'/,
    );
    assert.match(
      await reasonFor("outside"),
      /^UNAVAILABLE: .*warm-up sample.* 'lengths' has 5 at element 0; the model takes 1 to 4/,
    );
  });
});
