/** `npm run bench`: the figures that README quotes, measured on this machine and printed as tables. */
import { parseArgs } from "node:util";
import { LARGE, SMALL } from "../../test/bench/bench-model.ts";
import { coldStart } from "../../test/bench/cold-start.ts";
import type { Comparison, Measured } from "../../test/bench/compare.ts";
import { edgeAgainstForwarder } from "../../test/bench/edge-against-forwarder.ts";
import { poolAgainstUsual } from "../../test/bench/pool-against-usual.ts";
import { UsageError } from "./usage-error.ts";

const HELP = `Usage: npm run bench [-- --only pool|edge|cold] [--rounds <n>]

Compared subjects are loaded in turns; what counts are the ratios of neighbouring runs, not the absolute figures.`;

const CONNECTIONS = 32;

export async function bench(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { help: { type: "boolean" }, only: { type: "string" }, rounds: { type: "string" } },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { only } = values;
  if (only !== undefined && !["pool", "edge", "cold"].includes(only)) throw new UsageError(HELP);
  const rounds = Number(values.rounds ?? 5);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new UsageError("--rounds is a number from 1 to 100");

  if (only === undefined || only === "pool") {
    for (const model of [SMALL, LARGE]) {
      console.log(`\nPool, JSON, one row a request, ${CONNECTIONS} connections, model ${model.label}\n`);
      printComparison(await poolAgainstUsual(model, CONNECTIONS, rounds));
    }
  }
  if (only === undefined || only === "edge") {
    console.log(`\nEdge, JSON prediction of digits, ${CONNECTIONS} connections\n`);
    const { edge, floor } = await edgeAgainstForwarder(CONNECTIONS, rounds);
    printComparison(edge);
    console.log();
    printComparison(floor);
  }
  if (only === undefined || only === "cold") {
    const { readySeconds, firstMs, p50Ms, p99Ms } = await coldStart();
    console.log("\nCold start with the models that ship\n");
    console.log(`  ready after            ${readySeconds.toFixed(2)} s`);
    console.log(`  first request          ${firstMs.toFixed(2)} ms`);
    console.log(`  the next thousand      p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`);
  }
  return 0;
}

function printComparison({ ours, theirs, ratios, medianRatio }: Comparison): void {
  console.log(`  ${"".padEnd(26)} requests/s    p50 ms    p99 ms`);
  for (const subject of [ours, theirs]) console.log(`  ${row(subject)}`);
  const each = ratios.map((ratio) => ratio.toFixed(2)).join(" ");
  console.log(`  ratio of requests/s: median ${medianRatio.toFixed(2)} (rounds: ${each})`);
}

function row({ label, requestsPerSecond, p50Ms, p99Ms }: Measured): string {
  return [
    label.padEnd(26),
    requestsPerSecond.toFixed(0).padStart(10),
    p50Ms.toFixed(2).padStart(9),
    p99Ms.toFixed(2).padStart(9),
  ].join(" ");
}
