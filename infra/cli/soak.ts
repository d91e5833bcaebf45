/** `npm run test:soak`: models are replaced again and again under load; nothing may fail, and memory must not grow without end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { growthPerStep } from "../../test/soak/memory-slope.ts";
import { growUnderLoad, putDigits, type ReloadReport, reloadUnderLoad } from "../../test/soak/reload-under-load.ts";
import { type PoolProcess, startPool } from "../../test/support/pool.ts";
import { UsageError } from "./usage-error.ts";

const HELP = `Usage: npm run test:soak [-- --reloads <n>]

  --reloads <n>   how often the model is replaced, from 16 (default 100)

Replaces a model under load, counts failed requests and measures how the memory of the serving process grows in the second
half. A control first loads the same model as often, each of which stays: that is how it would look if versions were kept.`;

const MIB = 1024 ** 2;
const CALLERS = 4;
const CONTROL_TURNS = 24;
/** Growth that counts as a leak, as a share of what a version takes that stays. */
const LEAK_SHARE = 0.05;
/** Less than that, in bytes, and the control has not measured anything: a thread's heap alone takes more. */
const LEAST_CONTROL_BYTES = 2 * MIB;

type Exercise = (
  pool: PoolProcess,
  folder: string,
  options: { readonly turns: number; readonly callers: number; readonly onTurn: (turn: number) => void },
) => Promise<ReloadReport>;

/** @throws UsageError when an option is wrong */
export async function soak(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: "boolean" }, reloads: { type: "string" } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const reloads = Number(values.reloads ?? 100);
  if (!Number.isInteger(reloads) || reloads < 16) throw new UsageError("--reloads must be a whole number from 16");
  const control = await exercise("models that stay (control)", CONTROL_TURNS, growUnderLoad);
  const replaced = await exercise("models replaced", reloads, reloadUnderLoad);
  const keptBytes = growthPerStep(control.residentBytes);
  const isLeak = growthPerStep(replaced.residentBytes) > LEAK_SHARE * keptBytes;
  const faults = [
    control.failed + replaced.failed > 0 ? "requests failed" : "",
    keptBytes > LEAST_CONTROL_BYTES ? "" : "the control did not see memory grow, so nothing would have been seen",
    isLeak ? `memory grows a reload by more than ${LEAK_SHARE} of what a version takes` : "",
  ].filter((fault) => fault !== "");
  for (const fault of faults) console.log(`FAILED ${fault}`);
  return faults.length === 0 ? 0 : 1;
}

async function exercise(name: string, turns: number, run: Exercise): Promise<ReloadReport> {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-soak-"));
  putDigits(folder, 1);
  const pool = await startPool({ models: [folder] });
  try {
    const onTurn = (turn: number) =>
      process.stdout.write(process.stdout.isTTY ? `\r${name}: ${turn + 1}/${turns}` : "");
    const report = await run(pool, folder, { turns, callers: CALLERS, onTurn });
    const { answered, failed, failures, residentBytes } = report;
    const [first = 0] = residentBytes;
    const growth = growthPerStep(residentBytes) / MIB;
    console.log(
      `${process.stdout.isTTY ? "\r" : ""}${name}: ${turns} turns, ${answered} answered, ${failed} failed; ` +
        `${Math.round(first / MIB)} -> ${Math.round((residentBytes.at(-1) ?? 0) / MIB)} MiB, ${growth.toFixed(2)} MiB a turn in the second half`,
    );
    for (const failure of failures) console.log(`  ${failure}`);
    if (pool.starts.length > 1) throw new Error("the serving process died on the way");
    return report;
  } finally {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
