import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import type { BenchModel } from "./bench-model.ts";

const run = promisify(execFile);
const program = fileURLToPath(new URL("./bare-loop.ts", import.meta.url));
const result = z.object({ rowsPerSecond: z.number(), p50Ms: z.number(), p99Ms: z.number() });
export type BareResult = z.infer<typeof result>;

export type Provider = "cpu" | "cuda";

/** Runs the bare loop once. */
export async function bareLoop(
  file: string,
  { shape }: BenchModel,
  batch: number,
  measureMs: number,
  provider: Provider = "cpu",
): Promise<BareResult> {
  const options = ["--disable-warning=ExperimentalWarning", program];
  const given = [file, shape.join(","), String(batch), String(measureMs), provider];
  const { stdout } = await run(process.execPath, [...options, ...given]);
  return result.parse(JSON.parse(stdout));
}

/** The batch size with the most rows a second. */
export async function bestBatch(
  file: string,
  model: BenchModel,
  sizes: readonly number[],
  provider: Provider,
): Promise<number> {
  let best = { batch: sizes[0] ?? 1, rowsPerSecond: 0 };
  for (const batch of sizes) {
    const { rowsPerSecond } = await bareLoop(file, model, batch, 700, provider);
    if (rowsPerSecond > best.rowsPerSecond) best = { batch, rowsPerSecond };
  }
  return best.batch;
}
