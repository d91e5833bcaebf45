import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { numbersTensor, siteWith, UNHURRIED } from "../../test/support/pipeline-tensors.ts";
import { readNumbers } from "./numbers.ts";
import type { NormaliseSettings } from "./pipeline-schema.ts";
import type { Plan } from "./step.ts";
import { planCast, planNormalise, planReshape } from "./tensor-steps.ts";

const PLAIN = { step: "normalise", tensor: "x", scale: 1, offset: 0, mean: 0, std: 1 } as const;

async function normalised(settings: Partial<NormaliseSettings>, tensor: Tensor): Promise<Tensor> {
  const site = siteWith({ x: [tensor.datatype, tensor.shape] });
  const plan = planNormalise({ ...PLAIN, ...settings }, site);
  assert.deepEqual(site.faults, []);
  return one(plan, tensor);
}

async function one(plan: Plan, tensor: Tensor): Promise<Tensor> {
  const [made] = await plan.run([tensor], UNHURRIED);
  assert.ok(made);
  return made;
}

test("normalise with a mean and a deviation is undone by scaling with the deviation and adding the mean", async () => {
  const channel = fc.record({ mean: fc.integer({ min: -50, max: 50 }), std: fc.integer({ min: 1, max: 9 }) });
  const pixels = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 12, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(channel, { minLength: 3, maxLength: 3 }),
      pixels,
      fc.boolean(),
      async (channels, data, first) => {
        const [shape, axis] = first ? [[2, 3, 2], 1] : [[2, 2, 3], -1];
        const mean = channels.map((one) => one.mean);
        const std = channels.map((one) => one.std);
        const there = await normalised({ mean, std, axis }, numbersTensor("x", "UINT8", shape, data));
        const back = readNumbers(await normalised({ scale: std, offset: mean, axis }, there));
        for (const [index, value] of data.entries()) assert.ok(Math.abs(back[index]! - value) < 1e-3);
      },
    ),
  );
});

test("ImageNet's normalisation gives what torchvision's does", async () => {
  const settings = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], axis: 1 };
  const made = readNumbers(await normalised(settings, numbersTensor("x", "UINT8", [1, 3, 1, 1], [255, 0, 128])));
  for (const [index, value] of [2.2489, -2.0357, 0.4265].entries()) assert.ok(Math.abs(made[index]! - value) < 1e-3);
});

test("lists that do not fit their dimension, or go along none, are faults", () => {
  const site = siteWith({ x: ["UINT8", [-1, 3, 8, 8]] });
  planNormalise({ ...PLAIN, mean: [1, 2], std: [1, 2, 0], axis: 1 }, site);
  planNormalise({ ...PLAIN, mean: [1, 2, 3] }, site);
  planNormalise({ ...PLAIN, mean: [1, 2, 3], axis: 0 }, site);
  assert.deepEqual(
    site.faults.map((fault) => fault.split(" ")[0]),
    ["std", "mean", "std", "axis", "axis"],
  );
});

test("cast changes the datatype and keeps shape and values", async () => {
  const plan = planCast({ step: "cast", tensor: "x", datatype: "INT64" }, siteWith({ x: ["FP32", [-1, 2]] }));
  const made = await one(plan, numbersTensor("x", "FP32", [1, 2], [3.7, -1]));
  assert.deepEqual([made.datatype, made.shape, Array.from(readNumbers(made))], ["INT64", [1, 2], [3, -1]]);
});

test("reshape keeps rows, and refuses a row of another size when it is planned or when it comes", async () => {
  const site = siteWith({ x: ["FP32", [-1, 2, 3]] });
  planReshape({ step: "reshape", tensor: "x", shape: [-1, 7] }, site);
  assert.equal(site.faults.length, 1);
  const plan = planReshape({ step: "reshape", tensor: "x", shape: [-1, 6] }, siteWith({ x: ["FP32", [-1, -1, 3]] }));
  assert.deepEqual(plan.writes[0]?.type?.shape, [-1, 6]);
  assert.deepEqual((await one(plan, numbersTensor("x", "FP32", [1, 2, 3], [1, 2, 3, 4, 5, 6]))).shape, [1, 6]);
  await assert.rejects(() => one(plan, numbersTensor("x", "FP32", [1, 1, 3], [1, 2, 3])), { name: "WrongShape" });
});
