import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { type LineChart, lineChart } from "./svg-chart.ts";

export const RESULTS_FOLDER = join(import.meta.dirname, "results");

/** Stores a suite's figures with what they were measured on, and its curves beside them. */
export function storeResults(
  suite: string,
  figures: unknown,
  now: Date,
  curves: Readonly<Record<string, LineChart>> = {},
): void {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const measured = {
    suite,
    date: now.toISOString().slice(0, 10),
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    node: process.version,
    figures,
  };
  writeFileSync(join(RESULTS_FOLDER, `${suite}.json`), `${JSON.stringify(measured, undefined, 2)}\n`);
  for (const [name, chart] of Object.entries(curves)) {
    writeFileSync(join(RESULTS_FOLDER, `${name}.svg`), lineChart(chart));
  }
}
