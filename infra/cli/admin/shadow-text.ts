/** What comparing versions has shown, in words. */
import { quantile } from "../../../shared/control/distribution.ts";
import { formatNumber } from "./number-text.ts";
import type { ComparisonReply } from "./rollout-replies.ts";
import { formatMeasured, formatPart } from "./share-text.ts";
import { type Column, properties, table } from "./table.ts";

type Output = ComparisonReply["outputs"][string];
type Distribution = Output["maxAbsolute"];
interface NamedOutput {
  readonly name: string;
  readonly output: Output;
}

/** Where quantiles of how far answers differ are taken, and what they are called. */
const QUANTILES = [
  ["P50", 0.5],
  ["P99", 0.99],
  ["MAX", 1],
] as const;

/** @param comparisons by `<version>-<version compared with it>` */
export function describeComparisons(comparisons: Readonly<Record<string, ComparisonReply>>): string {
  const pairs = Object.entries(comparisons);
  if (pairs.length === 0) return "Nothing has been compared yet.";
  return pairs.map(([pair, comparison]) => describeComparison(pair, comparison)).join("\n\n");
}

function describeComparison(pair: string, comparison: ComparisonReply): string {
  const { answers, agreeingAnswers, stableMs, candidateMs, outputs } = comparison;
  const [stable = "", candidate = ""] = pair.split("-");
  const about = properties([
    ["versions", `${candidate} compared with ${stable}`],
    ["answers", formatNumber(answers)],
    ["agree", partText(agreeingAnswers, answers)],
  ]);
  const latencies = table(
    [
      { title: "VERSION", cell: ({ version }) => version },
      { title: "P50 MS", numeric: true, cell: ({ latency }) => formatMeasured(quantile(latency, 0.5)) },
      { title: "P99 MS", numeric: true, cell: ({ latency }) => formatMeasured(quantile(latency, 0.99)) },
    ],
    [
      { version: stable, latency: stableMs },
      { version: candidate, latency: candidateMs },
    ],
  );
  const differences = table<NamedOutput>(
    [
      { title: "OUTPUT", cell: ({ name }) => name },
      { title: "ROWS", numeric: true, cell: ({ output }) => formatNumber(output.rows) },
      { title: "AGREE", numeric: true, cell: ({ output }) => formatPart(output.agreeingRows, output.rows) },
      { title: "INCOMPARABLE", numeric: true, cell: ({ output }) => formatNumber(output.incomparable) },
      ...quantileColumns("ABS", ({ maxAbsolute }) => maxAbsolute),
      ...quantileColumns("REL", ({ maxRelative }) => maxRelative),
    ],
    Object.entries(outputs).map(([name, output]) => ({ name, output })),
  );
  return [about, latencies, differences].join("\n\n");
}

function quantileColumns(title: string, of: (output: Output) => Distribution): readonly Column<NamedOutput>[] {
  return QUANTILES.map(([name, share]) => ({
    title: `${title} ${name}`,
    numeric: true,
    cell: ({ output }) => formatMeasured(quantile(of(output), share)),
  }));
}

function partText(part: number, of: number): string {
  return of === 0 ? "" : `${formatNumber(part)} (${formatPart(part, of)})`;
}
