/** The models that are measured, and a folder with one of them for a pool. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deepNetwork, IMAGE_SIZE, perceptron, residualNetwork } from "../support/onnx-builder.ts";

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
const deep = (depth: number): BenchModel => ({
  label: `deep network, ${depth} layers of 512`,
  shape: [1, 64],
  build: () => deepNetwork(depth),
});

/** Some hundred rows a second on a CPU core: four times its capacity is little enough for HTTP not to be what is measured. */
export const DEEP = deep(200);
/** Some ten rows a second: even fifty times a share of that is. */
export const DEEPER = deep(3_000);
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

/**
 * Puts a model into a repository folder under the name `bench`.
 *
 * @param settings of its model.json
 */
export function placeModel(model: BenchModel, settings: Readonly<Record<string, unknown>> = {}): ModelFolder {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-bench-"));
  const file = join(folder, "bench", "1", "model.onnx");
  mkdirSync(join(folder, "bench", "1"), { recursive: true });
  writeFileSync(file, model.build());
  writeFileSync(join(folder, "bench", "model.json"), JSON.stringify(settings));
  return { folder, file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
