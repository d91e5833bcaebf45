import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type LoadResult, type LoadSettings, loadResult } from "./closed-loop.ts";

export interface Subject {
  readonly label: string;
  readonly port: number;
  /** The whole HTTP request. */
  readonly request: Buffer;
}

export interface Measured {
  readonly label: string;
  /** Medians over the rounds. */
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Comparison {
  readonly ours: Measured;
  readonly theirs: Measured;
  /** Requests a second, ours over theirs, round by round: neighbours in time, so that the machine's moods cancel. */
  readonly ratios: readonly number[];
  readonly medianRatio: number;
}

const run = promisify(execFile);
const generator = fileURLToPath(new URL("./closed-loop.ts", import.meta.url));

/** Loads two subjects in turns, in changing order. */
export async function compareAlternately(
  ours: Subject,
  theirs: Subject,
  { connections, rounds }: { readonly connections: number; readonly rounds: number },
): Promise<Comparison> {
  const results: { ours: LoadResult[]; theirs: LoadResult[] } = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0;
    if (first) results.ours.push(await loadOnce(ours, connections));
    results.theirs.push(await loadOnce(theirs, connections));
    if (!first) results.ours.push(await loadOnce(ours, connections));
  }
  const ratios = results.ours.map(
    (own, round) => own.requestsPerSecond / (results.theirs[round]?.requestsPerSecond ?? 1),
  );
  return {
    ours: summarise(ours.label, results.ours),
    theirs: summarise(theirs.label, results.theirs),
    ratios,
    medianRatio: median(ratios),
  };
}

export async function loadOnce(
  { label, port, request }: Subject,
  connections: number,
  measureMs = 4000,
): Promise<LoadResult> {
  const settings: LoadSettings = { port, connections, request: request.toString("base64"), warmUpMs: 1500, measureMs };
  const { stdout } = await run(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    generator,
    JSON.stringify(settings),
  ]);
  const result = loadResult.parse(JSON.parse(stdout));
  if (result.failures > 0) throw new Error(`${label}: ${result.failures} answers were not 200`);
  return result;
}

function summarise(label: string, results: readonly LoadResult[]): Measured {
  return {
    label,
    requestsPerSecond: median(results.map((result) => result.requestsPerSecond)),
    p50Ms: median(results.map((result) => result.p50Ms)),
    p99Ms: median(results.map((result) => result.p99Ms)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
