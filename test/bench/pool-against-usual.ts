/** The pool against the usual server, alternately, on the same model with the same requests and connections. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { perceptron } from "../support/onnx-builder.ts";
import { type Comparison, compareAlternately } from "./compare.ts";
import { inferenceRequest, startOpenPool, startUsualServer } from "./subjects.ts";

export interface ModelUnderTest {
  readonly label: string;
  readonly sizes: readonly number[];
}

export const SMALL: ModelUnderTest = { label: "64-256-256-10", sizes: [64, 256, 256, 10] };
export const LARGE: ModelUnderTest = { label: "512-2048-2048-512", sizes: [512, 2048, 2048, 512] };

export async function poolAgainstUsual(
  model: ModelUnderTest,
  connections: number,
  rounds: number,
): Promise<Comparison> {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-bench-"));
  const modelFile = join(folder, "bench", "1", "model.onnx");
  mkdirSync(join(folder, "bench", "1"), { recursive: true });
  writeFileSync(modelFile, perceptron(model.sizes));
  const [ours, usual] = await Promise.all([startOpenPool([folder]), startUsualServer(modelFile)]);
  try {
    const request = inferenceRequest("bench", "input", model.sizes[0] ?? 0);
    return await compareAlternately(
      { label: "Warmgate pool", port: ours.port, request },
      { label: "fastify + session.run", port: usual.port, request },
      { connections, rounds },
    );
  } finally {
    await Promise.all([ours.stop(), usual.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}
