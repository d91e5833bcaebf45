import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelSignature, TensorSpec } from "../../shared/protocol/tensor.ts";
import { pipelineSchema } from "./pipeline-schema.ts";
import { planPipeline } from "./plan-pipeline.ts";

const spec = (name: string, datatype: TensorSpec["datatype"], shape: readonly number[]) => ({ name, datatype, shape });
const VISION: ModelSignature = {
  inputs: [spec("pixels", "FP32", [-1, 3, 4, 4])],
  outputs: [spec("logits", "FP32", [-1, 3]), spec("features", "FP32", [-1, 8])],
};
const PICTURE = { step: "decodeImage", output: "pixels", width: 4, height: 4 };
const AS_FLOATS = { step: "normalise", tensor: "pixels", scale: 0.01 };

const plan = (json: object, model = VISION, batched = true) =>
  planPipeline(pipelineSchema.parse(json), { model, batched, texts: new Map(), images: undefined });

/** What is told of a pipeline that does not fit, fault by fault. */
function faultsOf(json: object, model = VISION): string[] {
  try {
    plan(json, model);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error && error.code === "model_rejected");
    return error.message.replace(/^the pipeline of model.json does not fit: /, "").split("; ");
  }
  return [];
}

test("callers send what the first steps read and are answered what the last ones leave", () => {
  const after = [
    { step: "softmax", tensor: "logits" },
    { step: "topK", tensor: "logits", k: 2, labels: ["a", "b", "c"] },
    { step: "keep", tensors: ["label", "score"] },
  ];
  assert.deepEqual(plan({ before: [PICTURE, AS_FLOATS], after }).signature, {
    inputs: [spec("image", "BYTES", [-1])],
    outputs: [spec("label", "BYTES", [-1, 2]), spec("score", "FP32", [-1, 2])],
  });
});

test("without steps after it the model's own outputs stay, and inputs that no step makes are sent as they are", () => {
  const model = { ...VISION, inputs: [...VISION.inputs, spec("threshold", "FP32", [-1])] };
  assert.deepEqual(plan({ before: [PICTURE, AS_FLOATS] }, model).signature, {
    inputs: [spec("image", "BYTES", [-1]), spec("threshold", "FP32", [-1])],
    outputs: VISION.outputs,
  });
});

test("a model for one row takes one picture", () => {
  const model = { ...VISION, inputs: [spec("pixels", "FP32", [1, 3, 4, 4])] };
  assert.deepEqual(plan({ before: [PICTURE, AS_FLOATS] }, model).signature.inputs, [spec("image", "BYTES", [1])]);
});

test("inputs that are not plain from the steps are declared", () => {
  const inputs = [spec("bytes", "UINT8", [-1, 48])];
  const before = [
    { step: "reshape", tensor: "bytes", shape: [-1, 3, 4, 4] },
    { step: "rename", tensor: "bytes", to: "pixels" },
    AS_FLOATS,
  ];
  assert.deepEqual(plan({ inputs, before }).signature.inputs, inputs);
  assert.deepEqual(faultsOf({ before }), [
    "before[0] (reshape).tensor is 'bytes', which is not there: there are no tensors",
  ]);
});

test("everything that is wrong is told at once, each by its step and field, and nothing twice", () => {
  const json = {
    before: [{ ...PICTURE, width: 5 }],
    after: [
      { step: "softmax", tensor: "logit" },
      { step: "topK", tensor: "features", k: 9, label: "logits" },
      { step: "argmax", tensor: "logits", axis: 0, output: "best" },
      { step: "keep", tensors: ["best", "nothing"] },
    ],
  };
  assert.deepEqual(faultsOf(json), [
    "before: 'pixels' becomes UINT8 [-1,3,4,5], but the model takes FP32 [-1,3,4,4]",
    "after[0] (softmax).tensor is 'logit', which is not there: there are 'logits', 'features'",
    "after[1] (topK).k is 9, but there are 8 classes",
    "after[1] (topK) makes 'logits', which is there already",
    "after[2] (argmax).axis is the batch, whose rows belong to different requests",
    "after[3] (keep).tensors is 'nothing', which is not there: there are 'logits', 'features', 'score', 'best'",
  ]);
});

test("a tensor that the model does not take, and an input that is used up, are faults", () => {
  const before = [PICTURE, AS_FLOATS, { step: "tokenise", maxLength: 4, outputs: { input_ids: "ids" } }];
  assert.deepEqual(faultsOf({ before }), ["before: 'ids' is made, but the model takes no such input"]);
  const inputs = [spec("pixels", "FP32", [-1, 3, 4, 4])];
  assert.deepEqual(faultsOf({ inputs, before: [{ step: "rename", tensor: "pixels", to: "other" }] }), [
    "before: nothing makes the model's input 'pixels'",
    "before: 'other' is made, but the model takes no such input",
  ]);
});

test("unknown fields, unknown steps and paths to files are refused when model.json is read", () => {
  for (const [wrong, path] of [
    [{ before: [{ ...PICTURE, colour: 1 }] }, "before.0"],
    [{ before: [{ step: "resize" }] }, "before.0.step"],
    [{ before: [{ step: "tokenise", maxLength: 8, vocab: "../vocab.txt" }] }, "before.0.vocab"],
    [{ after: [{ step: "topK", tensor: "x", k: 0 }] }, "after.0.k"],
    [{}, ""],
  ] as const) {
    const issues = pipelineSchema.safeParse(wrong).error?.issues ?? [];
    assert.deepEqual(
      issues.map((issue) => issue.path.join(".")),
      [path],
    );
  }
});
