/**
 * The pool against the servers that users know: the same ONNX files, the same requests, the same machine, one run at a
 * time on one thread each, batches of 64 at the most. What each server is told is in its folder; README.md says why.
 *
 * One subject runs at a time, since even an idle one takes CPU from its neighbours, and all of them come up in every
 * round in another order, so that the machine's moods fall on all. Each round, a subject is started once for each sweep,
 * without limits, and twice for the overload: to learn its capacity, then with whatever it has to refuse what it cannot
 * answer in time.
 */
import { type BenchModel, DEEP, LARGE, SMALL } from "../bench-model.ts";
import { median } from "../compare.ts";
import { type ModelFiles, prepareModel } from "./model-files.ts";
import { type OverloadPoint, overload } from "./overload.ts";
import { fieldEnvironment } from "./python-environment.ts";
import { FIELD_SERVERS } from "./servers.ts";
import { fieldSubject, type Subject, WARMGATE } from "./subject-process.ts";
import { capacityOf, mergeSweeps, rateWithin, type SweepPoint, sweep } from "./sweep.ts";

export interface FieldOptions {
  /** Those of the sweep. */
  readonly models?: readonly BenchModel[];
  /** That of the overload: one that takes long enough for the model, not HTTP, to be what is short. */
  readonly overloadModel?: BenchModel;
  /** Names of FIELD_SERVERS; absent: all. */
  readonly servers?: readonly string[];
  readonly rounds?: number;
  readonly connections?: readonly number[];
  /** Of each point of the sweep, after a warm-up. */
  readonly measureMs?: number;
  readonly overloadMeasureMs?: number;
  /** Told what is going on, a line at a time. */
  readonly tell?: (line: string) => void;
}

export interface SubjectResult {
  readonly label: string;
  /** Medians over the rounds. */
  readonly sweep: readonly SweepPoint[];
  /** Requests a second, the most at any number of connections. */
  readonly capacity: number;
  /** The highest rate whose p99 keeps within the limit; absent where none does. */
  readonly withinP99: readonly { readonly limitMs: number; readonly requestsPerSecond?: number }[];
  readonly overload: readonly OverloadPoint[];
  /** What went wrong, round by round; the figures are of the other rounds. */
  readonly failures: readonly string[];
}

export interface FieldResult {
  readonly deadlineMs: number;
  readonly rounds: number;
  readonly models: readonly { readonly model: string; readonly subjects: readonly SubjectResult[] }[];
  readonly skipped: readonly { readonly label: string; readonly reason: string }[];
}

const CONNECTIONS = [1, 4, 16, 32, 64, 128];
const P99_LIMITS_MS = [20, 50];
const OVERLOAD_FACTORS = [1.5, 3];
/** Enough to fill the largest batch of every subject. */
const OVERLOAD_SWEEP_CONNECTIONS = 64;
const DEADLINE_MS = 250;

interface Round {
  readonly sweep: readonly SweepPoint[];
  readonly overload: readonly OverloadPoint[];
  readonly failure?: string;
}

interface Measuring extends Required<Pick<FieldOptions, "connections" | "measureMs" | "overloadMeasureMs">> {
  readonly isOverloaded: boolean;
}

/** @throws Error for a server's name that there is not; what fails in a server is part of the result */
export async function compareWithField(options: FieldOptions = {}): Promise<FieldResult> {
  const { models = [SMALL, LARGE], overloadModel = DEEP, rounds = 3, tell = () => undefined } = options;
  const measuring = {
    connections: options.connections ?? CONNECTIONS,
    measureMs: options.measureMs ?? 4_000,
    overloadMeasureMs: options.overloadMeasureMs ?? 8_000,
  };
  const { subjects, skipped } = await subjectsOf(options.servers, tell);
  const results: FieldResult["models"][number][] = [];
  for (const model of [...models, overloadModel]) {
    const isOverloaded = model === overloadModel;
    const connections = isOverloaded ? [OVERLOAD_SWEEP_CONNECTIONS] : measuring.connections;
    const files = await prepareModel(model, DEADLINE_MS);
    try {
      const measured = new Map<Subject, Round[]>(subjects.map((subject) => [subject, []]));
      for (let round = 0; round < rounds; round++) {
        for (const subject of inTurn(subjects, round)) {
          tell(`${model.label}, round ${round + 1} of ${rounds}: ${subject.label}`);
          measured
            .get(subject)
            ?.push(await measure(subject, files, { ...measuring, connections, isOverloaded }, round));
        }
      }
      const summaries = [...measured].map(([{ label }, taken]) => summarise(label, taken));
      results.push({ model: model.label, subjects: summaries });
    } finally {
      files.remove();
    }
  }
  return { deadlineMs: DEADLINE_MS, rounds, models: results, skipped };
}

async function subjectsOf(
  names: readonly string[] = FIELD_SERVERS.map(({ name }) => name),
  tell: (line: string) => void,
): Promise<{ subjects: Subject[]; skipped: { label: string; reason: string }[] }> {
  const unknown = names.find((name) => !FIELD_SERVERS.some((server) => server.name === name));
  if (unknown !== undefined) throw new Error(`there is no server "${unknown}" in the field`);
  const subjects = [WARMGATE];
  const skipped: { label: string; reason: string }[] = [];
  for (const server of FIELD_SERVERS.filter(({ name }) => names.includes(name))) {
    const found = await fieldEnvironment(server, tell);
    if ("python" in found) subjects.push(fieldSubject(server, found.python));
    else {
      tell(`skip  ${server.label}: ${found.missing}`);
      skipped.push({ label: server.label, reason: found.missing });
    }
  }
  return { subjects, skipped };
}

function inTurn(subjects: readonly Subject[], round: number): Subject[] {
  const first = round % subjects.length;
  return [...subjects.slice(first), ...subjects.slice(0, first)];
}

async function measure(subject: Subject, files: ModelFiles, measuring: Measuring, round: number): Promise<Round> {
  let points: SweepPoint[] = [];
  const overloaded: OverloadPoint[] = [];
  const taken = () => ({ sweep: points, overload: overloaded });
  try {
    const unlimited = await subject.start(files);
    try {
      points = await sweep(unlimited, subject.label, files.request, measuring.connections, measuring.measureMs);
    } finally {
      await unlimited.stop();
    }
    if (!measuring.isOverloaded) return taken();
    const capacity = capacityOf(points);
    const limited = await subject.start(files, { deadlineMs: DEADLINE_MS, capacity });
    try {
      for (const factor of OVERLOAD_FACTORS) {
        const load = { deadlineMs: DEADLINE_MS, capacity, factor, measureMs: measuring.overloadMeasureMs };
        overloaded.push(await overload(limited, subject.label, files.urgentRequest, { ...load, seed: round + 1 }));
      }
    } finally {
      await limited.stop();
    }
    return taken();
  } catch (error) {
    return { ...taken(), failure: error instanceof Error ? error.message : String(error) };
  }
}

function summarise(label: string, rounds: readonly Round[]): SubjectResult {
  const merged = mergeSweeps(rounds.map((round) => round.sweep));
  return {
    label,
    sweep: merged,
    capacity: capacityOf(merged),
    withinP99: P99_LIMITS_MS.map((limitMs) => {
      const requestsPerSecond = rateWithin(merged, limitMs);
      return { limitMs, ...(requestsPerSecond === undefined ? {} : { requestsPerSecond }) };
    }),
    overload: mergeOverloads(rounds.flatMap((round) => round.overload)),
    failures: rounds.flatMap(({ failure }) => failure ?? []),
  };
}

/** Medians over the rounds, factor by factor. */
function mergeOverloads(points: readonly OverloadPoint[]): OverloadPoint[] {
  return [...new Set(points.map(({ factor }) => factor))].map((factor) => {
    const same = points.filter((point) => point.factor === factor);
    const middle = (of: (point: OverloadPoint) => number) => median(same.map(of));
    return {
      factor,
      offeredPerSecond: middle((point) => point.offeredPerSecond),
      goodputPerSecond: middle((point) => point.goodputPerSecond),
      share: middle((point) => point.share),
      p50Ms: middle((point) => point.p50Ms),
      p99Ms: middle((point) => point.p99Ms),
      refused: middle((point) => point.refused),
      late: middle((point) => point.late),
      lost: middle((point) => point.lost),
      generatorLateP99Ms: middle((point) => point.generatorLateP99Ms),
    };
  });
}
