import { type LoadResult, type LoadSettings, loadResult } from "./closed-loop.ts";
import { runGenerator } from "./generator.ts";
import { cpuMs } from "./process-cpu.ts";

export interface Subject {
  readonly label: string;
  readonly port: number;
  /** The whole HTTP request. */
  readonly request: Buffer;
  /** The process whose CPU time, and that of those below it, is its cost. */
  readonly pid?: number | undefined;
}

export interface Measured {
  readonly label: string;
  /** Medians over the rounds. */
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of its processes by request, in microseconds; undefined where it cannot be told. */
  readonly cpuMicroseconds: number | undefined;
}

export interface Comparison {
  readonly ours: Measured;
  readonly theirs: Measured;
  /** Requests a second, ours over theirs, round by round: neighbours in time, so that the machine's moods cancel. */
  readonly ratios: readonly number[];
  readonly medianRatio: number;
}

const generator = new URL("./closed-loop.ts", import.meta.url);

/** Loads two subjects in turns, in changing order. */
export async function compareAlternately(
  ours: Subject,
  theirs: Subject,
  { connections, rounds }: { readonly connections: number; readonly rounds: number },
): Promise<Comparison> {
  const results: { ours: Load[]; theirs: Load[] } = { ours: [], theirs: [] };
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

export interface Load extends LoadResult {
  readonly cpuMicroseconds: number | undefined;
}

export async function loadOnce(
  { label, port, request, pid }: Subject,
  connections: number,
  measureMs = 4000,
): Promise<Load> {
  const settings: LoadSettings = { port, connections, request: request.toString("base64"), warmUpMs: 1500, measureMs };
  const cpuBefore = pid === undefined ? undefined : cpuMs(pid);
  const result = loadResult.parse(await runGenerator(generator, settings));
  if (result.failures > 0) throw new Error(`${label}: ${result.failures} answers were not 200`);
  const cpuAfter = pid === undefined ? undefined : cpuMs(pid);
  // The warm-up's requests count as well: at the same rate, in proportion to the time.
  const requests = (result.requestsPerSecond * (settings.warmUpMs + measureMs)) / 1000;
  const used = cpuBefore === undefined || cpuAfter === undefined ? undefined : cpuAfter - cpuBefore;
  return { ...result, cpuMicroseconds: used === undefined ? undefined : (used * 1000) / requests };
}

function summarise(label: string, results: readonly Load[]): Measured {
  return {
    label,
    requestsPerSecond: median(results.map((result) => result.requestsPerSecond)),
    p50Ms: median(results.map((result) => result.p50Ms)),
    p99Ms: median(results.map((result) => result.p99Ms)),
    cpuMicroseconds: medianOfKnown(results.map((result) => result.cpuMicroseconds)),
  };
}

function medianOfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? median(known) : undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
