import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { type LineChart, lineChart } from "./svg-chart.ts";

export const RESULTS_FOLDER = join(import.meta.dirname, "results");

export interface SuiteResult {
  readonly figures: unknown;
  /** By the name of the file each is stored in. */
  readonly curves?: Readonly<Record<string, LineChart>>;
}

/**
 * Stores a suite's figures with what they were measured on, and its curves beside them.
 *
 * @param result with the cores that other processes used meanwhile, where that can be told
 */
export function storeResults(
  suite: string,
  { figures, curves = {}, othersCores }: SuiteResult & { readonly othersCores: number | undefined },
  now: Date,
): void {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const measured = {
    suite,
    date: now.toISOString().slice(0, 10),
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    othersCores: othersCores === undefined ? undefined : Number(othersCores.toFixed(2)),
    node: process.version,
    figures,
  };
  writeFileSync(join(RESULTS_FOLDER, `${suite}.json`), `${JSON.stringify(measured, undefined, 2)}\n`);
  for (const [name, chart] of Object.entries(curves)) {
    writeFileSync(join(RESULTS_FOLDER, `${name}.svg`), lineChart(chart));
  }
}
