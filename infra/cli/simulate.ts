/** `npm run simulate`: the scheduler on simulated devices, as curves; limits and rollouts in simulated traffic, as tables. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lineChart } from "../../test/bench/svg-chart.ts";
import { drawCurves } from "../../test/simulation/curves.ts";
import { limitsTable } from "../../test/simulation/limits/table.ts";
import { rolloutTable } from "../../test/simulation/rollout/table.ts";
import { PROJECT_ROOT } from "./state-folder.ts";
import { UsageError } from "./usage-error.ts";

const HELP = `Usage: npm run simulate [-- --seconds <n>] [--seed <n>] [--out <folder>]

Runs the scheduler, and two common batchers, on a simulated device and writes the curves as SVG (test/simulation/results);
a tenant's limits over simulated sites and isolates, and what becomes of rollouts of good and bad versions, as tables.`;

const LIMITS_SECONDS = 10;
const ROLLOUTS = 200;

export async function simulate(args: string[]): Promise<number> {
  const option = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: { help: { type: "boolean" }, seconds: option, seed: option, out: option },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const seconds = wholeNumber(values.seconds, "--seconds", 10);
  const seed = wholeNumber(values.seed, "--seed", 1);
  const folder = values.out ?? join(PROJECT_ROOT, "test", "simulation", "results");
  mkdirSync(folder, { recursive: true });
  for (const { id, chart } of await drawCurves({ seconds, seed })) {
    console.log(`\n${chart.title}: ${chart.y.label}, by ${chart.x.label}\n`);
    const [first] = chart.series;
    const columns = first?.points.map(([x]) => short(x)) ?? [];
    console.log(`  ${"".padEnd(26)}${columns.join("")}`);
    for (const { name, points } of chart.series) {
      console.log(`  ${name.padEnd(26)}${points.map(([, y]) => short(y)).join("")}`);
    }
    writeFileSync(join(folder, `${id}.svg`), lineChart(chart));
  }
  console.log(`\nCurves are in ${folder}`);
  console.log(
    `\nA tenant's limits, ${LIMITS_SECONDS} s: what is admitted, of what a limiter would that is everywhere at once\n`,
  );
  for (const line of limitsTable(LIMITS_SECONDS, seed)) console.log(`  ${line}`);
  console.log(`\nRollouts, ${ROLLOUTS} of each candidate: how they end, and after how long\n`);
  for (const line of rolloutTable(ROLLOUTS, seed)) console.log(`  ${line}`);
  return 0;
}

function short(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).padStart(8);
}

function wholeNumber(text: string | undefined, name: string, usual: number): number {
  const value = text === undefined ? usual : Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 3600) return value;
  throw new UsageError(`${name} is a whole number from 1 to 3600.\n\n${HELP}`);
}
