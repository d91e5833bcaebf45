import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import type { BenchModel } from "./bench-model.ts";

const run = promisify(execFile);
const program = fileURLToPath(new URL("./bare-loop.ts", import.meta.url));
const result = z.object({ rowsPerSecond: z.number(), p50Ms: z.number(), p99Ms: z.number() });
export type BareResult = z.infer<typeof result>;

/** Runs the bare loop once. */
export async function bareLoop(
  file: string,
  { shape }: BenchModel,
  batch: number,
  measureMs: number,
): Promise<BareResult> {
  const options = ["--disable-warning=ExperimentalWarning", program];
  const given = [file, shape.join(","), String(batch), String(measureMs)];
  const { stdout } = await run(process.execPath, [...options, ...given]);
  return result.parse(JSON.parse(stdout));
}

/** The batch size with the most rows a second. */
export async function bestBatch(file: string, model: BenchModel, sizes: readonly number[]): Promise<number> {
  let best = { batch: sizes[0] ?? 1, rowsPerSecond: 0 };
  for (const batch of sizes) {
    const { rowsPerSecond } = await bareLoop(file, model, batch, 700);
    if (rowsPerSecond > best.rowsPerSecond) best = { batch, rowsPerSecond };
  }
  return best.batch;
}
