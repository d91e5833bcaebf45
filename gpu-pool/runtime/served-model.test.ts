import assert from "node:assert/strict";
import { test } from "node:test";
import { readModelJson } from "../repository/model-json.ts";
import { ScriptedLoader } from "../repository/scripted-loader.ts";
import type { ServedModel } from "./served-model.ts";

async function served(shape: readonly number[]): Promise<ServedModel> {
  const loader = new ScriptedLoader(() => "");
  const input = { name: "x", datatype: "FP32" as const, shape };
  loader.signature = { inputs: [input], outputs: [{ ...input, name: "y" }] };
  const settings = await readModelJson(undefined);
  const artefact = { name: "m", version: "1", digest: "d", modelFile: "", files: [], settings };
  return loader.load(artefact, () => undefined);
}

test("the least time of a run is what it was known to take, and nothing where sizes vary that it may depend on", async () => {
  const [fixed, varying] = [await served([-1, 4]), await served([-1, -1])];
  fixed.costs.seed("4", 1, 5);
  varying.costs.seed("4", 1, 5);
  assert.deepEqual([fixed.leastMs(1), varying.leastMs(1)], [5, 0]);
});

test("a model that is held closes when it is let go of by all, and cannot be held meanwhile", async () => {
  const model = await served([-1, 4]);
  const [one, other] = [model.hold(), model.hold()];
  let closed = false;
  const closing = model.close().then(() => {
    closed = true;
  });
  assert.equal(model.hold(), undefined);
  one?.();
  await new Promise(setImmediate);
  assert.equal(closed, false);
  other?.();
  await closing;
});
