/** The limiter's figures, by how callers are spread and how they come: what `npm run simulate` prints. */
import type { LimitOverrides } from "../../../shared/protocol/tenant-limits.ts";
import { simulateWorld, type WorldReport } from "./world.ts";

interface Scenario {
  readonly name: string;
  readonly limits: LimitOverrides;
  readonly sites: number;
  readonly isolates: number;
  readonly arrivalsPerSecond: (second: number) => number;
}

const HUNDRED = { rate: { perSecond: 100, burst: 100 } };
const TEN_THOUSAND = { rate: { perSecond: 10_000, burst: 10_000 } };

const SCENARIOS: readonly Scenario[] = [
  { name: "steady, 80 %", limits: TEN_THOUSAND, sites: 300, isolates: 1_000, arrivalsPerSecond: () => 8_000 },
  {
    name: "bursts of 5x, 1 s in 5",
    ...{ limits: TEN_THOUSAND, sites: 300, isolates: 1_000 },
    arrivalsPerSecond: (second) => (second % 5 < 1 ? 50_000 : 0),
  },
  { name: "overload, 5x", limits: TEN_THOUSAND, sites: 300, isolates: 1_000, arrivalsPerSecond: () => 50_000 },
  { name: "sparse", limits: TEN_THOUSAND, sites: 300, isolates: 300_000, arrivalsPerSecond: () => 500 },
  { name: "steady, 80 %", limits: TEN_THOUSAND, sites: 300, isolates: 300_000, arrivalsPerSecond: () => 8_000 },
  { name: "steady, 80 %", limits: HUNDRED, sites: 1, isolates: 8, arrivalsPerSecond: () => 80 },
  { name: "overload, 5x", limits: HUNDRED, sites: 1, isolates: 8, arrivalsPerSecond: () => 500 },
  { name: "half load", limits: { concurrency: 8 }, sites: 1, isolates: 8, arrivalsPerSecond: () => 200 },
];

/** Lines of a table. */
export function limitsTable(seconds: number, seed: number): string[] {
  const head = [
    "load",
    "limit",
    "sites",
    "isolates",
    "of ideal",
    "no hop",
    "p50 ms",
    "p99 ms",
    "asks/s",
    "wasted",
    "too many",
  ];
  const rows = SCENARIOS.map((scenario) => row(scenario, run(scenario, seconds, seed)));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return [head, ...rows].map((cells) =>
    cells
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
}

function run({ limits, sites, isolates, arrivalsPerSecond }: Scenario, seconds: number, seed: number): WorldReport {
  const network = { lost: 1e-4, crashes: 1e-5 };
  return simulateWorld({
    limits,
    sites,
    isolatesPerSite: isolates / sites,
    arrivalsPerSecond,
    seconds,
    seed,
    ...network,
  });
}

function row({ name, limits, sites, isolates }: Scenario, report: WorldReport): string[] {
  const { rate, concurrency } = limits;
  return [
    name,
    rate ? `${rate.perSecond}/s, burst ${rate.burst}` : `${concurrency} in flight`,
    String(sites),
    String(isolates),
    (report.admitted / report.ideal).toFixed(3),
    `${(100 * report.withoutHop).toFixed(0)} %`,
    report.p50Ms.toFixed(0),
    report.p99Ms.toFixed(0),
    report.asksPerSecond.toFixed(0),
    `${(100 * report.wasted).toFixed(1)} %`,
    rate ? Math.max(0, report.worstExcess).toFixed(2) : String(Math.max(0, report.mostInFlight - (concurrency ?? 0))),
  ];
}
