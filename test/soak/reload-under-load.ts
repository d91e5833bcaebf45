/** Models that change again and again while callers ask for answers: what fails, and what becomes of the memory. */
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fp32Request, inferJson, post } from "../support/inference-call.ts";
import { type PoolProcess, TEST_MODELS } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";

const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));
/** Failures that are kept to be shown; all are counted. */
const MOST_SHOWN = 10;

export interface ReloadReport {
  readonly answered: number;
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly string[];
  /** Memory of the serving process after each turn, in bytes. */
  readonly residentBytes: readonly number[];
}

/** Puts a version of the digits in place in one step, as a careful upload does. */
export function putDigits(folder: string, version: 1 | 2, model = "digits"): void {
  const target = join(folder, model, "1", "model.onnx");
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(TEST_MODELS.digits, "digits", String(version), "model.onnx"), `${target}.part`);
  renameSync(`${target}.part`, target);
}

/**
 * Replaces the digits once a turn while `callers` ask for them all the time.
 *
 * @param folder the pool's repository, with the digits in it
 * @throws Error when a load is refused
 */
export function reloadUnderLoad(
  pool: PoolProcess,
  folder: string,
  options: { readonly turns: number; readonly callers: number; readonly onTurn?: (turn: number) => void },
): Promise<ReloadReport> {
  return underLoad(pool, options, async (turn) => {
    putDigits(folder, turn % 2 === 0 ? 2 : 1);
    await load(pool, "digits");
  });
}

/** The control: the same model once more in each turn, which stays. So it looks when every version is kept. */
export function growUnderLoad(
  pool: PoolProcess,
  folder: string,
  options: { readonly turns: number; readonly callers: number; readonly onTurn?: (turn: number) => void },
): Promise<ReloadReport> {
  return underLoad(pool, options, async (turn) => {
    putDigits(folder, turn % 2 === 0 ? 2 : 1, `kept-${turn}`);
    await load(pool, `kept-${turn}`);
  });
}

async function underLoad(
  pool: PoolProcess,
  { turns, callers, onTurn }: { turns: number; callers: number; onTurn?: (turn: number) => void },
  takeTurn: (turn: number) => Promise<void>,
): Promise<ReloadReport> {
  let going = true;
  let answered = 0;
  let failed = 0;
  const failures: string[] = [];
  const call = async () => {
    while (going) {
      try {
        await inferJson(pool.url, "digits", DIGIT);
        answered++;
      } catch (error) {
        failed++;
        if (failures.length < MOST_SHOWN) failures.push(error instanceof Error ? error.message : String(error));
      }
    }
  };
  const calling = Promise.all(Array.from({ length: callers }, call));
  const residentBytes: number[] = [];
  try {
    for (let turn = 0; turn < turns; turn++) {
      await takeTurn(turn);
      residentBytes.push((await scrape(pool)).get("process_resident_memory_bytes") ?? Number.NaN);
      onTurn?.(turn);
    }
  } finally {
    going = false;
    await calling;
  }
  return { answered, failed, failures, residentBytes };
}

async function load(pool: PoolProcess, model: string): Promise<void> {
  const { status, body } = await post(`${pool.url}/v2/repository/models/${model}/load`, {});
  if (status !== 200) throw new Error(`${model} was not loaded: ${body}`);
}
