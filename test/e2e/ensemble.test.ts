/** An ensemble behind the edge, which decodes, routes and caches by the signature and digest that the pool announces. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { putModel } from "../support/loop-model.ts";
import { perceptron } from "../support/onnx-builder.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const answer = z.object({
  model_name: z.string(),
  outputs: z.tuple([z.object({ name: z.string(), data: z.array(z.number()) })]),
});
const layer = (model: string, from: string, to: string) => ({
  ...{ model, version: "1", inputs: { input: from }, outputs: { output: to } },
});
const ENSEMBLE = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 8] }],
  steps: [layer("front", "x", "middle"), layer("back", "middle", "y")],
  outputs: ["y"],
};
const ROW = [1, 2, 3, 4, 5, 6, 7, 8];

describe("an ensemble, asked through the edge", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-ensemble-"));
  let stack: TestStack;
  before(async () => {
    putModel(folder, "front", 1, perceptron([8, 16, 4]), { deterministic: true });
    putModel(folder, "back", 1, perceptron([4, 16, 3]), { deterministic: true });
    mkdirSync(join(folder, "chain"));
    writeFileSync(join(folder, "chain", "model.json"), JSON.stringify({ ensemble: ENSEMBLE, deterministic: true }));
    stack = await startTestStack([folder]);
  });
  after(async () => {
    await stack.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const infer = async (model: string, input: string, data: readonly number[]) => {
    const reply = await fetch(`${stack.edgeUrl}/v2/models/${model}/infer`, {
      method: "POST",
      body: JSON.stringify({ inputs: [{ name: input, datatype: "FP32", shape: [1, data.length], data }] }),
      headers: { authorization: `Bearer ${stack.demoKey}`, "content-type": "application/json" },
    });
    assert.equal(reply.status, 200);
    const { model_name: name, outputs } = answer.parse(await reply.json());
    return { name, output: outputs[0], cache: reply.headers.get("cache-status") ?? "" };
  };

  test("is answered as its models are one after the other, and then from the cache", async () => {
    const first = await infer("chain", "x", ROW);
    assert.deepEqual([first.name, first.output.name], ["chain", "y"]);
    const middle = await infer("front", "input", ROW);
    const last = await infer("back", "input", middle.output.data);
    for (const [place, wanted] of last.output.data.entries()) {
      assert.ok(Math.abs((first.output.data[place] ?? Number.NaN) - wanted) < 1e-5);
    }
    const second = await until("an answer from the cache", async () => {
      const again = await infer("chain", "x", ROW);
      return again.cache.includes("hit") && again;
    });
    assert.deepEqual(second.output, first.output);
  });

  test("is refused at the edge for what it does not take", async () => {
    const reply = await fetch(`${stack.edgeUrl}/v2/models/chain/infer`, {
      method: "POST",
      body: JSON.stringify({ inputs: [{ name: "middle", datatype: "FP32", shape: [1, 4], data: [1, 2, 3, 4] }] }),
      headers: { authorization: `Bearer ${stack.demoKey}`, "content-type": "application/json" },
    });
    assert.equal(reply.status, 400);
    assert.equal(z.object({ code: z.string() }).parse(await reply.json()).code, "input_mismatch");
  });
});
