/**
 * `npm run test:soak`: models are replaced again and again under load, and nothing may fail and memory must not grow without end; then
 * the serving process is ended again and again under load, and nobody may be misled and nothing stay behind.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { watchOthers } from "../../test/bench/process-cpu.ts";
import { killUnderLoad } from "../../test/soak/kill-under-load.ts";
import { growthPerStep } from "../../test/soak/memory-slope.ts";
import { growUnderLoad, putDigits, type ReloadReport, reloadUnderLoad } from "../../test/soak/reload-under-load.ts";
import { type PoolProcess, startPool } from "../../test/support/pool.ts";
import { printScenario } from "./print-scenario.ts";
import { UsageError } from "./usage-error.ts";

const HELP = `Usage: npm run test:soak [-- options]

  --only reloads|kills
                  one of the two alone
  --reloads <n>   how often the model is replaced, from 16 (100)
  --seconds <n>   how long processes are ended, from 30 (300)
  --seed <n>      of when they are ended, and how (1)

Reloads: replaces a model under load, counts failed requests and measures how the memory of the serving process grows in the second
half. A control first loads the same model as often, each of which stays: that is how it would look if versions were kept.

Kills (Linux): ends a pool's serving process at random moments in a random way (killed, crashed, frozen, told to end, hung in a run), at
times while a model is reloaded, at times twice in a row, as often as the supervisor allows without giving up, while clients ask. Prints
figures against targets. Exit code 1 when a request was answered wrongly, late or never, or refused without need, when liveness or
readiness was not true, when the log does not say what a process died of, or when something stayed behind. A target that is missed is
marked, and no failure: it depends on the machine.`;

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

const option = { type: "string" } as const;

/** @throws UsageError when an option is wrong */
export async function soak(args: string[]): Promise<number> {
  const { values } = parse(args);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { only } = values;
  if (only !== undefined && only !== "reloads" && only !== "kills") throw new UsageError(HELP);
  const turns = wholeNumber(values.reloads ?? "100", "--reloads", 16);
  const seconds = wholeNumber(values.seconds ?? "300", "--seconds", 30);
  const seed = wholeNumber(values.seed ?? "1", "--seed", 1);
  const areReloadsRight = only === "kills" || (await reloads(turns));
  const areKillsRight = only === "reloads" || (await kills(seconds, seed));
  return areReloadsRight && areKillsRight ? 0 : 1;
}

async function reloads(turns: number): Promise<boolean> {
  const control = await exercise("models that stay (control)", CONTROL_TURNS, growUnderLoad);
  const replaced = await exercise("models replaced", turns, reloadUnderLoad);
  const keptBytes = growthPerStep(control.residentBytes);
  const isLeak = growthPerStep(replaced.residentBytes) > LEAK_SHARE * keptBytes;
  const faults = [
    control.failed + replaced.failed > 0 ? "requests failed" : "",
    keptBytes > LEAST_CONTROL_BYTES ? "" : "the control did not see memory grow, so nothing would have been seen",
    isLeak ? `memory grows a reload by more than ${LEAK_SHARE} of what a version takes` : "",
  ].filter((fault) => fault !== "");
  for (const fault of faults) console.log(`FAILED ${fault}`);
  return faults.length === 0;
}

async function kills(seconds: number, seed: number): Promise<boolean> {
  if (process.platform !== "linux") {
    console.log("kills: left out, as what becomes of processes is looked up in /proc, which is Linux's");
    return true;
  }
  console.log(`\nkills: a pool's serving process ended again and again for ${seconds} s, seed ${seed}\n`);
  const othersCores = watchOthers();
  const result = await killUnderLoad({
    ...{ seed, forMs: seconds * 1_000, meanGapMs: 8_000, perSecond: 40 },
    tell: (line) => console.log(`  ${line.replaceAll("\n", "\n  ")}`),
  });
  printScenario(result);
  console.log(`\n  Other processes used ${(othersCores() ?? 0).toFixed(2)} cores meanwhile.`);
  return result.broken.length === 0;
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

function parse(args: string[]) {
  try {
    const options = {
      help: { type: "boolean" },
      ...{ only: option, reloads: option, seconds: option, seed: option },
    } as const;
    return parseArgs({ args, options });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
  }
}

function wholeNumber(text: string, name: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= 1e6) return value;
  throw new UsageError(`${name} must be a whole number from ${least}, not '${text}'.`);
}
