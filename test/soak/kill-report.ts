/** What a run in which processes were ended has come to: figures against targets, and what may never be. */
import type { PoolFigures } from "../faults/pieces/account-check.ts";
import type { ClientRecord } from "../faults/pieces/client-record.ts";
import { brokenInvariants } from "../faults/pieces/invariant-checker.ts";
import { type Figure, figure, quantile, type ScenarioResult } from "../faults/scenarios/scenario.ts";
import type { Return } from "./ended-pool.ts";
import { type MemorySamples, SAMPLES_PER_SECOND } from "./memory-samples.ts";
import { growthPerStep } from "./memory-slope.ts";
import {
  brokenByOutages,
  type Denial,
  endOf,
  isAnswered,
  isConnectionError,
  isInOutage,
  needlessDenials,
  type Outage,
  type ReadyWord,
  SLACK_MS,
  untrueReadiness,
} from "./outages.ts";

export interface KillEvidence {
  /** Of all clients. */
  readonly records: readonly ClientRecord[];
  /** By tenant: what all of its inputs hold. */
  readonly markers: ReadonlyMap<string, string>;
  readonly words: readonly ReadyWord[];
  readonly denials: readonly Denial[];
  readonly outages: readonly Outage[];
  readonly returns: readonly Return[];
  readonly firstStartMs: number;
  /** Of the last serving process, when all is over. */
  readonly pool: PoolFigures;
  /** Files that the supervisor has open beyond those after the first kill. */
  readonly openedFiles: number;
  /** Of the supervisor, since the first kill. */
  readonly memory: Pick<MemorySamples, "all" | "grownBy">;
  /** What else went wrong on the way, in words. */
  readonly wrong: readonly string[];
  /** Processes that are there and should not be, in words. */
  readonly left: readonly string[];
}

const MIB = 1024 ** 2;
/** More than a supervisor's heap goes up and down by, and less than it would hold of a minute's requests. */
const MOST_GROWTH_BYTES = 24 * MIB;
/** A minute's worth: less does not tell growth from a collector's coming and going. */
const SLOPE_SAMPLES = 60 * SAMPLES_PER_SECOND;
/** Before that a heap is still finding its size, and is held against nothing. */
const SETTLED_SAMPLES = 4 * SLOPE_SAMPLES;
/** Beyond what a process needs to start, for the supervisor's waits to be in. */
const BACK_SECONDS = 2;

export function killReport(evidence: KillEvidence): ScenarioResult {
  const { records, markers, words, denials, outages, pool, openedFiles, memory, wrong, left } = evidence;
  const judged = records.filter((record) => !isConnectionError(record));
  const untrue = untrueReadiness(words, outages);
  const needless = needlessDenials(denials, outages);
  const invariants = brokenInvariants({ records: judged, markers, pools: [pool] });
  const broken = [
    ...invariants,
    ...brokenByOutages(records, outages),
    ...untrue,
    ...needless,
    ...wrong,
    ...left,
    ...(openedFiles > 0 ? [`the supervisor has ${openedFiles} more files open than after the first kill`] : []),
    ...(memory.grownBy > MOST_GROWTH_BYTES ? [`the supervisor has grown by ${inMib(memory.grownBy)} MiB`] : []),
  ];
  const whileUp = records.filter((record) => !isInOutage(record, outages));
  const late = records.filter((record) => endOf(record) - record.sentAt > record.deadlineMs + SLACK_MS);
  const none = (label: string, count: number) => figure(label, count, { digits: 0, most: 0 });
  return {
    figures: [
      figure("answered, of all", share(records), { unit: "%" }),
      figure("answered, while a process was up", share(whileUp), { unit: "%", digits: 3, least: 100 }),
      none("answered wrongly", invariants.filter((text) => /^I[134]/.test(text)).length),
      none(`told later than the deadline and ${SLACK_MS} ms`, late.length),
      figure("said to be ready, and asked at once", words.length, { digits: 0, least: 1 }),
      none("said to be ready, and was not", untrue.length),
      none("not live or not ready while it was up", needless.length),
      ...backAgain(evidence),
      none("accounts and gauges that are wrong at the end", invariants.filter((text) => text.startsWith("I6")).length),
      none("supervisor, more files open", openedFiles),
      figure("supervisor, grown since the first kill", inMib(memory.grownBy), { unit: "MiB", digits: 1, most: 8 }),
      ...growth(memory.all),
      none("processes left", left.length),
    ],
    broken,
  };
}

function backAgain({ returns, firstStartMs }: KillEvidence): Figure[] {
  const seconds = returns.map(({ tookMs }) => tookMs / 1_000).toSorted((a, b) => a - b);
  const beyond = returns.map(({ tookMs, unnoticedMs }) => tookMs - firstStartMs - unnoticedMs);
  return [
    figure("first start, models loaded", firstStartMs / 1_000, { unit: "s" }),
    figure("back after an end, p50", quantile(seconds, 0.5), { unit: "s" }),
    figure("back after an end, at the worst", seconds.at(-1) ?? Number.NaN, { unit: "s" }),
    figure("the worst beyond a start and what notices the end", Math.max(...beyond) / 1_000, {
      ...{ unit: "s", most: BACK_SECONDS },
    }),
  ];
}

function growth(bytes: readonly number[]): Figure[] {
  if (bytes.length < SLOPE_SAMPLES) return [];
  const perMinute = inMib(60 * SAMPLES_PER_SECOND * growthPerStep(bytes));
  const bound = bytes.length < SETTLED_SAMPLES ? {} : { most: 1 };
  return [figure("supervisor, growth a minute, second half", perMinute, { unit: "MiB", ...bound })];
}

function share(records: readonly ClientRecord[]): number {
  return (100 * records.filter(isAnswered).length) / records.length;
}

function inMib(bytes: number): number {
  return bytes / MIB;
}
