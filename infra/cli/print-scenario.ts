/** How a scenario's result is shown: a table of figures, and what was broken. */
import type { ScenarioResult } from "../../test/faults/scenarios/scenario.ts";

export function printScenario({ figures, broken }: ScenarioResult): void {
  const width = Math.max(0, ...figures.map(({ label }) => label.length));
  console.log();
  for (const { label, measured, target, met } of figures) {
    const against = target === "" ? "" : `   ${target.padEnd(14)} ${met ? "met" : "MISSED"}`;
    console.log(`  ${label.padEnd(width)} ${measured.padStart(14)}${against}`);
  }
  console.log(broken.length === 0 ? "\n  No invariant was broken." : "\n  BROKEN:");
  for (const text of broken) console.log(`    ${text}`);
}
