/** `npm run bench`: the figures that README quotes, measured on this machine, printed as tables and stored. */
import { parseArgs } from "node:util";
import { addedLatency, printAddedLatency } from "../../test/bench/added-latency.ts";
import type { Provider } from "../../test/bench/bare-session.ts";
import { LARGE, SMALL } from "../../test/bench/bench-model.ts";
import { type CacheHitComparisons, cacheHitsAgainstConstant } from "../../test/bench/cache-hits.ts";
import { coldStart } from "../../test/bench/cold-start.ts";
import type { Comparison, Measured } from "../../test/bench/compare.ts";
import { edgeAgainstForwarder } from "../../test/bench/edge-against-forwarder.ts";
import { efficiency, printEfficiency } from "../../test/bench/efficiency.ts";
import { compareWithField } from "../../test/bench/field/field.ts";
import { printField } from "../../test/bench/field/print.ts";
import {
  classesUnderFlood,
  overload,
  overloadCurves,
  printOverload,
  tenantsUnderFlood,
} from "../../test/bench/overload.ts";
import { poolAgainstUsual } from "../../test/bench/pool-against-usual.ts";
import { watchOthers } from "../../test/bench/process-cpu.ts";
import { type SuiteResult, storeResults } from "../../test/bench/results.ts";
import { lookUpsByRoutes, printRouteLookUps } from "../../test/bench/route-look-ups.ts";
import { printRouteSteps, printSnapshots, routeSteps, snapshots } from "../../test/bench/route-step.ts";
import { identifyAgainstNothing, limitAccuracy, lookUpsByKeys } from "../../test/bench/tenants.ts";
import { UsageError } from "./usage-error.ts";

const SUITES: Readonly<Record<string, (rounds: number) => Promise<SuiteResult>>> = {
  pool,
  edge,
  cache,
  cold,
  efficiency: (rounds) => efficiencySuite(rounds, "cpu"),
  overload: overloadSuite,
  latency,
  tenants,
  routes,
  field,
  gpu: (rounds) => efficiencySuite(rounds, "cuda"),
};
/** Not in a run of everything: most hosts have none. */
const ONLY_BY_NAME: ReadonlySet<string> = new Set(["gpu"]);

const HELP = `Usage: npm run bench [-- --only ${Object.keys(SUITES).join("|")}] [--rounds <n>]

Compared subjects are loaded in turns; what counts are the ratios of neighbouring runs, not the absolute figures.
Everything is also written to test/bench/results. field needs Python and takes long; gpu needs one, and runs only\nby name.`;

const CONNECTIONS = 32;
const ACCURACY = { perSecond: 100, burst: 100, seconds: 60 };
const ROUTES = [10, 1_000, 10_000];
const CONTROL_PLANE_SIZES = [1_000, 10_000, 100_000, 1_000_000];
/** Of one core; with more than that in other hands, subjects and generators are not run when they are ready. */
const MOST_FOR_OTHERS = 0.1;

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
  if (only !== undefined && !Object.hasOwn(SUITES, only)) throw new UsageError(HELP);
  const rounds = Number(values.rounds ?? 5);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new UsageError("--rounds is a number from 1 to 100");
  for (const [name, run] of Object.entries(SUITES)) {
    if (only === undefined ? ONLY_BY_NAME.has(name) : only !== name) continue;
    const othersCores = watchOthers();
    const result = await run(rounds);
    storeResults(name, { ...result, othersCores: tellOthers(othersCores()) }, new Date());
  }
  return 0;
}

function tellOthers(cores: number | undefined): number | undefined {
  if (cores !== undefined && cores > MOST_FOR_OTHERS) {
    console.log(`\n  Other processes used ${cores.toFixed(2)} cores meanwhile: these figures say little.`);
  }
  return cores;
}

async function pool(rounds: number): Promise<SuiteResult> {
  const results: Record<string, Comparison> = {};
  for (const model of [SMALL, LARGE]) {
    console.log(`\nPool, JSON, one row a request, ${CONNECTIONS} connections, model ${model.label}\n`);
    const comparison = await poolAgainstUsual(model, CONNECTIONS, rounds);
    printComparison(comparison);
    results[model.label] = comparison;
  }
  return { figures: results };
}

async function edge(rounds: number): Promise<SuiteResult> {
  console.log(`\nEdge, JSON prediction of digits, ${CONNECTIONS} connections\n`);
  const compared = await edgeAgainstForwarder(CONNECTIONS, rounds);
  printComparison(compared.edge);
  console.log();
  printComparison(compared.floor);
  return { figures: compared };
}

async function cache(rounds: number): Promise<SuiteResult> {
  console.log(`\nAnswers from the cache, JSON prediction of digits, ${CONNECTIONS} connections\n`);
  const throughput = await cacheHitsAgainstConstant(CONNECTIONS, rounds);
  printHits(throughput);
  console.log("\nThe same, one connection\n");
  const latency = await cacheHitsAgainstConstant(1, rounds);
  printHits(latency);
  return { figures: { throughput, latency } };
}

function printHits({ isolate, dataCentre }: CacheHitComparisons): void {
  for (const comparison of [isolate, dataCentre]) {
    printComparison(comparison);
    const { ours, theirs } = comparison;
    console.log(`  p50 over the constant Worker's: ${(ours.p50Ms / theirs.p50Ms).toFixed(2)}\n`);
  }
}

async function cold(): Promise<SuiteResult> {
  const figures = await coldStart();
  const { readySeconds, firstMs, p50Ms, p99Ms } = figures;
  console.log("\nCold start with the models that ship\n");
  console.log(`  ready after            ${readySeconds.toFixed(2)} s`);
  console.log(`  first request          ${firstMs.toFixed(2)} ms`);
  console.log(`  the next thousand      p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`);
  return { figures };
}

async function efficiencySuite(rounds: number, provider: Provider): Promise<SuiteResult> {
  console.log(
    `\nEfficiency on ${provider}: pool (binary, 128 connections, one slot) over a bare loop of session.run\n`,
  );
  const results = await efficiency(rounds, provider);
  printEfficiency(results);
  return { figures: results };
}

async function overloadSuite(rounds: number): Promise<SuiteResult> {
  console.log("\nOverload, open loop\n");
  const byLoad = await overload(rounds);
  printOverload(byLoad);
  const classes = await classesUnderFlood();
  const success = (100 * classes.criticalSuccess).toFixed(2);
  console.log(`\n  critical at 0.3 x capacity beside sheddable at 3 x: ${success} % of the critical in time`);
  const tenants = await tenantsUnderFlood(rounds);
  const ratios = tenants.p99Ratios.map((ratio) => ratio.toFixed(2)).join(" ");
  console.log(`  a tenant's p99 beside another's 50-fold flood, over that beside its share: ${ratios}`);
  return { figures: { byLoad, classes, tenants }, curves: overloadCurves(byLoad) };
}

async function latency(): Promise<SuiteResult> {
  console.log("\nLatency at concurrency 1, by stage\n");
  const results = await addedLatency();
  printAddedLatency(results);
  return { figures: results };
}

async function tenants(rounds: number): Promise<SuiteResult> {
  console.log(`\nIdentify and limit, against a Worker that does nothing, ${CONNECTIONS} connections\n`);
  const compared = await identifyAgainstNothing(CONNECTIONS, rounds);
  printComparison(compared.path);
  console.log();
  printComparison(compared.told);
  console.log("\nFive times the limit for a minute, over eight isolates\n");
  const accuracy = await limitAccuracy(ACCURACY.perSecond, ACCURACY.burst, ACCURACY.seconds);
  const { offered, admitted, share, other } = accuracy;
  console.log(
    `  ${offered} offered, ${admitted} admitted: ${share.toFixed(4)} of the limit (${other} neither let in nor limited)`,
  );
  console.log("\nA look-up in the control plane, by the number of keys, ten a tenant\n");
  const lookUps = await lookUpsByKeys(CONTROL_PLANE_SIZES);
  for (const { keys, medianMs, p99Ms } of lookUps) {
    console.log(`  ${String(keys).padStart(9)} keys   p50 ${medianMs.toFixed(2)} ms   p99 ${p99Ms.toFixed(2)} ms`);
  }
  return { figures: { compared, accuracy, lookUps } };
}

async function routes(rounds: number): Promise<SuiteResult> {
  console.log("\nThe route step of one request, from what an isolate knows, 100 tenants\n");
  const steps = routeSteps(rounds);
  printRouteSteps(steps);
  console.log(
    "\nA snapshot of the pool, which an isolate takes in once a second, and the first step for a model after it\n",
  );
  const taken = snapshots(rounds);
  printSnapshots(taken);
  console.log("\nA look-up in the control plane, by the number of routes\n");
  const lookUps = await lookUpsByRoutes(ROUTES, rounds);
  printRouteLookUps(lookUps);
  return { figures: { steps, snapshots: taken, lookUps } };
}

async function field(rounds: number): Promise<SuiteResult> {
  const results = await compareWithField({ rounds, tell: (line) => console.log(line) });
  printField(results);
  return { figures: results };
}

function printComparison({ ours, theirs, ratios, medianRatio }: Comparison): void {
  console.log(`  ${"".padEnd(26)} requests/s    p50 ms    p99 ms   CPU us/request`);
  for (const subject of [ours, theirs]) console.log(`  ${row(subject)}`);
  const each = ratios.map((ratio) => ratio.toFixed(2)).join(" ");
  console.log(`  ratio of requests/s: median ${medianRatio.toFixed(2)} (rounds: ${each})`);
}

function row({ label, requestsPerSecond, p50Ms, p99Ms, cpuMicroseconds }: Measured): string {
  return [
    label.padEnd(26),
    requestsPerSecond.toFixed(0).padStart(10),
    p50Ms.toFixed(2).padStart(9),
    p99Ms.toFixed(2).padStart(9),
    (cpuMicroseconds?.toFixed(0) ?? "-").padStart(16),
  ].join(" ");
}
