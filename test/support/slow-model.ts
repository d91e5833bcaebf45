import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { perceptron } from "./onnx-builder.ts";

const WIDTH = 8;
const LARGEST = 4096;

/** Puts a model into a repository folder of which one run of a full batch takes a good part of a second. */
export function addSlowModel(folder: string): void {
  mkdirSync(join(folder, "slow", "1"), { recursive: true });
  writeFileSync(join(folder, "slow", "1", "model.onnx"), perceptron([WIDTH, 1024, 1024, 1024, 1024, WIDTH]));
  writeFileSync(join(folder, "slow", "model.json"), JSON.stringify({ maxBatch: LARGEST }));
}

/** A request that fills the slow model's batch, so that nothing else runs beside it. */
export const SLOW_REQUEST = {
  inputs: [
    { name: "input", shape: [LARGEST, WIDTH], datatype: "FP32", data: new Array<number>(LARGEST * WIDTH).fill(0.5) },
  ],
  outputs: [{ name: "output", parameters: { binary_data: true } }],
};

/** One row, which the slow model answers at once when it is idle. */
export const QUICK_REQUEST = {
  inputs: [{ name: "input", shape: [1, WIDTH], datatype: "FP32", data: new Array<number>(WIDTH).fill(0.5) }],
};
