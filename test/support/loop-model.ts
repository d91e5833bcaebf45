/** Models whose run takes as long as one likes, or for ever. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BOOL,
  type Dimension,
  FLOAT,
  graphAttribute,
  INT64,
  integerAttribute,
  integerTensor,
  model,
  node,
  valueInfo,
} from "./onnx-protobuf.ts";

/** More turns than any machine makes in a day. */
export const ENDLESS = 10 ** 15;

/** A turn multiplies a number by itself; it takes ONNX Runtime some microseconds. */
const bodyOf = (shape: readonly Dimension[]) => ({
  nodes: [node("Identity", ["go_on"], ["still"]), node("Mul", ["sum", "sum"], ["product"])],
  initializers: [],
  inputs: [valueInfo("turn", INT64, []), valueInfo("go_on", BOOL, []), valueInfo("sum", FLOAT, shape)],
  outputs: [valueInfo("still", BOOL, []), valueInfo("product", FLOAT, shape)],
});
const BODY = bodyOf([1]);

/** `count` INT64 [1] turns over `input` FP32 [1] -> `output` FP32 [1]. Inputs that are made up for a warm-up have no turns. */
export function loopModel(): Uint8Array {
  return model({
    nodes: [node("Loop", ["count", "", "input"], ["output"], [graphAttribute("body", BODY)])],
    initializers: [],
    inputs: [valueInfo("count", INT64, [1]), valueInfo("input", FLOAT, [1])],
    outputs: [valueInfo("output", FLOAT, [1])],
  });
}

/** `input` FP32 [1] -> `output` FP32 [1], which no run of it ever gets to. */
export function endlessModel(): Uint8Array {
  return model({
    nodes: [node("Loop", ["count", "", "input"], ["output"], [graphAttribute("body", BODY)])],
    initializers: [integerTensor("count", [ENDLESS])],
    inputs: [valueInfo("input", FLOAT, [1])],
    outputs: [valueInfo("output", FLOAT, [1])],
  });
}

/** `input` FP32 [rows, 1] -> `output` FP32 [rows, 1]: the same numbers for up to `most` rows, and for more of them nothing ever. */
export function stallingModel(most: number): Uint8Array {
  const shape = ["rows", 1];
  return model({
    nodes: [
      node("Shape", ["input"], ["rows"], [integerAttribute("start", 0), integerAttribute("end", 1)]),
      node("Sub", ["rows", "most"], ["above"]),
      node("Max", ["above", "none"], ["surplus"]),
      node("Mul", ["surplus", "endless"], ["count"]),
      node("Loop", ["count", "", "input"], ["output"], [graphAttribute("body", bodyOf(shape))]),
    ],
    initializers: [integerTensor("most", [most]), integerTensor("none", [0]), integerTensor("endless", [ENDLESS])],
    inputs: [valueInfo("input", FLOAT, shape)],
    outputs: [valueInfo("output", FLOAT, shape)],
  });
}

/** `input` FP32 [1] -> `output` FP32 [`floats`], which takes four bytes of memory for each of them. */
export function greedyModel(floats: number): Uint8Array {
  return model({
    nodes: [node("Expand", ["input", "shape"], ["output"])],
    initializers: [integerTensor("shape", [floats])],
    inputs: [valueInfo("input", FLOAT, [1])],
    outputs: [valueInfo("output", FLOAT, [floats])],
  });
}

/** Puts one version of a model into a repository folder. */
export function putModel(folder: string, name: string, version: number, bytes: Uint8Array, modelJson?: object): void {
  mkdirSync(join(folder, name, String(version)), { recursive: true });
  writeFileSync(join(folder, name, String(version), "model.onnx"), bytes);
  if (modelJson) writeFileSync(join(folder, name, "model.json"), JSON.stringify(modelJson));
}

/** A request to `loopModel`. */
export function loopRequest(turns: number): object {
  return {
    inputs: [
      { name: "count", shape: [1], datatype: "INT64", data: [turns] },
      { name: "input", shape: [1], datatype: "FP32", data: [0.5] },
    ],
  };
}
