/** The models that are measured, and a folder with one of them for a pool. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE_SIZE, perceptron, residualNetwork } from "../support/onnx-builder.ts";

export interface BenchModel {
  readonly label: string;
  /** Of one request's input. */
  readonly shape: readonly number[];
  readonly build: () => Uint8Array;
}

const network = (...sizes: readonly [number, ...number[]]): BenchModel => ({
  label: sizes.join("-"),
  shape: [1, sizes[0]],
  build: () => perceptron(sizes),
});

export const SMALL = network(64, 256, 256, 10);
export const LARGE = network(512, 2048, 2048, 512);
/** Some hundred rows a second on a CPU core, so that four times its capacity is still less than HTTP can refuse. */
export const HEAVY = network(512, 4096, 4096, 512);
/** A fixed batch of 1, milliseconds a run. */
export const CONVOLUTIONAL: BenchModel = {
  label: `residual network, ${IMAGE_SIZE} x ${IMAGE_SIZE}`,
  shape: [1, 3, IMAGE_SIZE, IMAGE_SIZE],
  build: residualNetwork,
};

export interface ModelFolder {
  readonly folder: string;
  readonly file: string;
  remove(): void;
}

/** Puts a model into a repository folder under the name `bench`. */
export function placeModel(model: BenchModel): ModelFolder {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-bench-"));
  const file = join(folder, "bench", "1", "model.onnx");
  mkdirSync(join(folder, "bench", "1"), { recursive: true });
  writeFileSync(file, model.build());
  return { folder, file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
