/** How soon rollouts of good and bad candidates end, and how: what `npm run simulate` prints. */
import { BAD, OTHERS, type Outcomes, rollouts, SAME, type Scenario, TOLERABLE, TURNS_BAD } from "./scenarios.ts";

const HEAD = ["candidate", "promoted", "aborted by", "median s", "p99 s", "worst s", "within 60 s"];

/** Lines of a table. @param runs rollouts of each candidate */
export function rolloutTable(runs: number, seed: number): string[] {
  const scenarios = [...BAD, TURNS_BAD, ...OTHERS, SAME, TOLERABLE];
  const rows = scenarios.map((scenario) => row(scenario, rollouts(scenario, runs, seed)));
  const widths = HEAD.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return [HEAD, ...rows].map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 || column === 2 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  "),
  );
}

function row({ name }: Scenario, { promoted, aborted, seconds }: Outcomes): string[] {
  const at = (share: number) => String(seconds[Math.min(seconds.length - 1, Math.floor(share * seconds.length))] ?? 0);
  const within = seconds.filter((ended) => ended < 60).length / seconds.length;
  const guards = Object.entries(aborted).map(([guard, times]) => `${guard} ${times}`);
  return [name, String(promoted), guards.join(", "), at(0.5), at(0.99), at(1), `${(100 * within).toFixed(1)} %`];
}
