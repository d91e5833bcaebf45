import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { readModelJson } from "./model-json.ts";

describe("model.json", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-model-json-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const read = (text: string) => {
    const file = join(folder, "model.json");
    writeFileSync(file, text);
    return readModelJson(file);
  };
  const refusal = (text: string): Promise<string> =>
    read(text).then(
      () => "none",
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "model_rejected");
        return error.message;
      },
    );

  test("without the file, or with an empty one, everything is derived", async () => {
    const flags = { deterministic: false, evictable: false };
    const derived = { description: "", ...flags, maxDelayMs: 0, nonFinite: "allow", warmup: [] };
    assert.deepEqual(await readModelJson(undefined), derived);
    assert.deepEqual(await read("{}"), derived);
  });

  test("what is declared is taken", async () => {
    const declared = {
      description: "d",
      deterministic: true,
      maxBatch: 8,
      maxDelayMs: 2.5,
      instances: 3,
      computeThreads: 2,
      evictable: true,
      nonFinite: "refuse",
      warmup: [{ inputs: [{}] }],
    };
    assert.deepEqual(await read(JSON.stringify(declared)), declared);
  });

  test("all that is wrong is named at once", async () => {
    const message = await refusal(
      '{"maxBatch":-1,"deterministic":"yes","computeThreads":1.5,"max_batch":4,"warmup":[{}]}',
    );
    for (const fault of ["maxBatch", "deterministic", "computeThreads", "max_batch", "warmup.0.inputs"]) {
      assert.ok(message.includes(fault), `${fault} is not named in: ${message}`);
    }
  });

  const padding = { axis: 1, sizes: [32, 64], inputs: { ids: 0, mask: false, words: "" }, outputs: ["state"] };

  test("declared padding is taken, and needs no outputs", async () => {
    assert.deepEqual((await read(JSON.stringify({ padding }))).padding, padding);
    const { outputs, ...withoutOutputs } = padding;
    assert.deepEqual((await read(JSON.stringify({ padding: withoutOutputs }))).padding?.outputs, []);
    assert.equal((await read("{}")).padding, undefined);
  });

  const wrongPadding: [string, object, string][] = [
    ["the batch as its axis", { axis: 0 }, "padding.axis"],
    ["no size", { sizes: [] }, "padding.sizes"],
    ["a size of 0", { sizes: [0, 8] }, "padding.sizes.0"],
    ["a size that is no whole number", { sizes: [8.5] }, "padding.sizes.0"],
    ["a size twice", { sizes: [8, 8] }, "padding.sizes: must be ascending"],
    ["sizes that descend", { sizes: [64, 32] }, "padding.sizes: must be ascending"],
    ["more sizes than can be warmed", { sizes: Array.from({ length: 33 }, (_, at) => at + 1) }, "padding.sizes"],
    ["a size beyond all memory", { sizes: [2 ** 40] }, "padding.sizes.0"],
    ["no input", { inputs: {} }, "padding.inputs: must name at least one"],
    ["a pad value that is a list", { inputs: { ids: [0] } }, "padding.inputs.ids"],
    ["an output twice", { outputs: ["a", "a"] }, "padding.outputs: must name each output once"],
    ["a key that is not known", { axes: [1] }, "axes"],
  ];
  for (const [what, change, fault] of wrongPadding) {
    test(`padding with ${what} is refused`, async () => {
      const message = await refusal(JSON.stringify({ padding: { ...padding, ...change } }));
      assert.ok(message.includes(fault), message);
    });
  }

  test("ranges with one end or both are taken", async () => {
    const ranges = { ids: { min: 0, max: 30_521 }, scale: { min: -1.5 }, lengths: { max: 4 } };
    assert.deepEqual((await read(JSON.stringify({ ranges }))).ranges, ranges);
  });

  const wrongRanges: [string, object, string][] = [
    ["no end", {}, "ranges.ids: must have a min or a max"],
    ["a min above its max", { min: 2, max: 1 }, "ranges.ids: must have a min that is not above its max"],
    ["an end that is no number", { min: "0" }, "ranges.ids.min"],
    ["a key that is not known", { min: 0, step: 1 }, "step"],
  ];
  for (const [what, range, fault] of wrongRanges) {
    test(`a range with ${what} is refused`, async () => {
      const message = await refusal(JSON.stringify({ ranges: { ids: range } }));
      assert.ok(message.includes(fault), message);
    });
  }

  test("an ensemble is read with what is about it as a whole", async () => {
    const step = { model: "m", version: "1", inputs: { a: "x" }, outputs: { b: "y" } };
    const ensemble = { inputs: [{ name: "x", datatype: "FP32", shape: [-1] }], steps: [step], outputs: ["y"] };
    const settings = await read(JSON.stringify({ ensemble, deterministic: true, description: "two in one" }));
    assert.deepEqual(settings.ensemble, ensemble);
    assert.equal(settings.deterministic, true);
  });

  test("an ensemble is refused with all that is wrong, and what belongs to the models of its steps", async () => {
    const step = { model: "../m", inputs: {}, outputs: { b: "" } };
    const ensemble = { inputs: [{ name: "x", datatype: "FP31", shape: [0] }], steps: [step], outputs: [] };
    const message = await refusal(JSON.stringify({ ensemble, pipeline: { before: [] }, maxBatch: 3 }));
    for (const fault of [
      'an ensemble cannot have "pipeline", "maxBatch": it belongs to the models of its steps',
      "ensemble.inputs.0.datatype",
      "ensemble.inputs.0.shape.0: must be -1 or at least 1",
      "ensemble.steps.0.model: must be a model's name",
      "ensemble.steps.0.version",
      "ensemble.steps.0.inputs: must name at least one tensor",
      "ensemble.steps.0.outputs.b",
      "ensemble.outputs",
    ]) {
      assert.ok(message.includes(fault), `${fault}: ${message}`);
    }
  });

  test("more steps than an ensemble may have are refused", async () => {
    const step = { model: "m", version: "1", inputs: { a: "x" }, outputs: { b: "y" } };
    const inputs = [{ name: "x", datatype: "FP32", shape: [-1] }];
    const ensemble = { inputs, steps: Array.from({ length: 33 }, () => step), outputs: ["y"] };
    assert.match(await refusal(JSON.stringify({ ensemble })), /ensemble\.steps: /);
  });

  test("what is no JSON object is refused, without the file's path", async () => {
    for (const text of ["", "{", "[]", "null", "3", "\ufeff{}x"]) {
      const message = await refusal(text);
      assert.match(message, /model\.json/);
      assert.ok(!message.includes(folder));
    }
  });

  test("a file that cannot be read is refused, without its path", async () => {
    await assert.rejects(
      readModelJson(join(folder, "nothing", "model.json")),
      (error: Error) => !error.message.includes(folder),
    );
  });
});
