/** The field's tables, as `npm run bench` prints them. */
import type { FieldResult, SubjectResult } from "./field.ts";

const LABEL_WIDTH = 26;

export function printField({ models, deadlineMs, rounds, skipped }: FieldResult): void {
  for (const { model, subjects } of models) {
    console.log(`\nThe field, model ${model}, JSON, one row a request, medians of ${rounds} rounds\n`);
    console.log("  Closed loop: requests/s (p99 ms) at each number of connections\n");
    const counts = [...new Set(subjects.flatMap(({ sweep }) => sweep.map(({ connections }) => connections)))];
    printRow("", [...counts.map(String)], 16);
    for (const { label, sweep } of subjects) {
      const cells = counts.map((count) => {
        const point = sweep.find(({ connections }) => connections === count);
        return point === undefined ? "-" : `${point.requestsPerSecond.toFixed(0)} (${point.p99Ms.toFixed(1)})`;
      });
      printRow(label, cells, 16);
    }
    console.log("\n  CPU microseconds a request, all of the subject's processes\n");
    for (const { label, sweep } of subjects) {
      printRow(
        label,
        sweep.map(({ cpuMicroseconds }) => cpuMicroseconds?.toFixed(0) ?? "-"),
        16,
      );
    }
    console.log("\n  Most requests/s within a p99, and ours over theirs\n");
    const limits = subjects[0]?.withinP99.map(({ limitMs }) => limitMs) ?? [];
    printRow("", ["any p99", ...limits.map((limit) => `<= ${limit} ms`)], 20);
    for (const subject of subjects) {
      const rates = [subject.capacity, ...limits.map((limit) => rateAt(subject, limit))];
      const ours = [subjects[0]?.capacity, ...limits.map((limit) => subjects[0] && rateAt(subjects[0], limit))];
      printRow(
        subject.label,
        rates.map((rate, index) => rateCell(rate, ours[index])),
        20,
      );
    }
    if (subjects.some(({ overload }) => overload.length > 0))
      console.log(`\n  Overload, Poisson, deadline ${deadlineMs} ms: good answers/s (share of own capacity)\n`);
    for (const subject of subjects) printOverload(subject);
    for (const { label, failures } of subjects)
      for (const failure of failures) console.log(`\n  failed in a round: ${label}: ${failure}`);
  }
  for (const { label, reason } of skipped) console.log(`\n  skipped: ${label}: ${reason}`);
}

function rateAt({ withinP99 }: SubjectResult, limit: number): number | undefined {
  return withinP99.find(({ limitMs }) => limitMs === limit)?.requestsPerSecond;
}

function rateCell(rate: number | undefined, ours: number | undefined): string {
  if (rate === undefined) return "never";
  return ours === undefined || rate === 0 ? rate.toFixed(0) : `${rate.toFixed(0)} (x${(ours / rate).toFixed(2)})`;
}

function printOverload({ label, overload }: SubjectResult): void {
  for (const point of overload) {
    const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
    const ends = `refused ${percent(point.refused)}, late ${percent(point.late)}, lost ${percent(point.lost)}`;
    const good = `${point.goodputPerSecond.toFixed(0)} (${percent(point.share)})`;
    const latency = `p50 ${point.p50Ms.toFixed(0)} p99 ${point.p99Ms.toFixed(0)} ms`;
    const generator = `generator late ${point.generatorLateP99Ms.toFixed(1)} ms`;
    console.log(
      `  ${label.padEnd(LABEL_WIDTH)}${point.factor.toFixed(1)}x of ${(point.offeredPerSecond / point.factor).toFixed(0).padEnd(7)}${good.padEnd(16)}${latency.padEnd(24)}${ends}; ${generator}`,
    );
  }
}

function printRow(label: string, cells: readonly string[], width: number): void {
  console.log(`  ${label.padEnd(LABEL_WIDTH)}${cells.map((cell) => cell.padStart(width)).join("")}`);
}
