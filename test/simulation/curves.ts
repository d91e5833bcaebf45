/** The curves by which schedulers are judged, each from simulated experiments: the product beside what users know. */
import type { LineChart, Series } from "../bench/svg-chart.ts";
import { capacityOf, DEVICE, meanMs } from "./device-model.ts";
import { type ExperimentOutcome, type SimulatedStream, simulate } from "./experiment.ts";
import { fifoWithQueueTimeout, fifoWithTimer, type SubjectFactory, warmgate } from "./subjects.ts";

export const CAPACITY = capacityOf(DEVICE);
/** Five full batches. */
export const DEADLINE_MS = 5 * meanMs(DEVICE, DEVICE.largestBatch);

const SUBJECTS: readonly { readonly name: string; readonly subject: SubjectFactory }[] = [
  { name: "Warmgate", subject: warmgate },
  { name: "FIFO with a timer", subject: fifoWithTimer },
  { name: "FIFO with a queue timeout", subject: fifoWithQueueTimeout },
];
const LOADS = [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.25, 1.5, 2, 3, 4];

export interface CurveOptions {
  readonly seconds: number;
  readonly seed: number;
}

export interface Curve {
  /** Names the file that it is stored in. */
  readonly id: string;
  readonly chart: LineChart;
}

export async function drawCurves(options: CurveOptions): Promise<Curve[]> {
  return [
    ...(await byLoad("load", "Poisson arrivals", poisson, options)),
    ...(await byLoad("bursts", "bursts: 200 ms on, 200 ms off", bursts, options)),
    await bySlo(options),
    await byFlood(options),
  ];
}

/** A run of one stream, or several, through one subject. */
export function run(
  subject: SubjectFactory,
  streams: readonly SimulatedStream[],
  { seconds, seed }: CurveOptions,
): Promise<ExperimentOutcome> {
  return simulate({ subject, device: DEVICE, streams, seconds, seed });
}

export function poisson(load: number): SimulatedStream {
  return { arrivals: { kind: "poisson", perSecond: load * CAPACITY }, deadlineMs: DEADLINE_MS };
}

/** The same mean load, all of it in half of the time. */
export function bursts(load: number): SimulatedStream {
  const arrivals = { kind: "bursts", perSecond: 2 * load * CAPACITY, onMs: 200, offMs: 200 } as const;
  return { arrivals, deadlineMs: DEADLINE_MS };
}

async function byLoad(
  id: string,
  how: string,
  stream: (load: number) => SimulatedStream,
  options: CurveOptions,
): Promise<Curve[]> {
  const goodput: Series[] = [];
  const latency: Series[] = [];
  const batch: Series[] = [];
  const dead: Series[] = [];
  for (const { name, subject } of SUBJECTS) {
    const outcomes: { readonly load: number; readonly outcome: ExperimentOutcome }[] = [];
    for (const load of LOADS) outcomes.push({ load, outcome: await run(subject, [stream(load)], options) });
    const series = (read: (outcome: ExperimentOutcome) => number | undefined): Series => ({
      name,
      points: outcomes.map(({ load, outcome }) => [load, read(outcome) ?? Number.NaN] as const),
    });
    goodput.push(series((outcome) => outcome.goodputPerSecond));
    latency.push(series((outcome) => outcome.streams[0]?.p99Ms));
    batch.push(series((outcome) => outcome.meanBatchRows));
    dead.push(series((outcome) => outcome.deadShare));
  }
  const x = { label: `offered load in multiples of the capacity (${how})` };
  const marks = [{ axis: "x", at: 1, label: "capacity" }] as const;
  const deadline = [{ axis: "y", at: DEADLINE_MS, label: "deadline" }] as const;
  return [
    {
      id: `goodput-by-${id}`,
      chart: { title: "Goodput", x, y: { label: "answers inside the deadline, 1/s" }, series: goodput, marks },
    },
    {
      id: `latency-by-${id}`,
      chart: {
        title: "Latency, p99 of all answers",
        x,
        y: { label: "ms", log: true },
        series: latency,
        marks: deadline,
      },
    },
    { id: `batch-by-${id}`, chart: { title: "Batch size", x, y: { label: "mean rows" }, series: batch, marks } },
    {
      id: `dead-work-by-${id}`,
      chart: { title: "Work for nobody", x, y: { label: "part of the rows that came too late" }, series: dead, marks },
    },
  ];
}

/** How tight a deadline may be: the part answered in time at 80 % load. */
async function bySlo(options: CurveOptions): Promise<Curve> {
  const full = meanMs(DEVICE, DEVICE.largestBatch);
  const series: Series[] = [];
  for (const { name, subject } of SUBJECTS) {
    const points: [number, number][] = [];
    for (const factor of [0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10]) {
      const { streams } = await run(subject, [{ ...poisson(0.8), deadlineMs: factor * full }], options);
      points.push([factor, streams[0]?.attainment ?? Number.NaN]);
    }
    series.push({ name, points });
  }
  const x = { label: "deadline in multiples of a full batch's time, at 0.8 load" };
  return {
    id: "attainment-by-deadline",
    chart: { title: "Answered in time", x, y: { label: "part of offered" }, series },
  };
}

/** A tenant at 0.45 of the capacity, beside one that offers ever more. */
async function byFlood(options: CurveOptions): Promise<Curve> {
  const series: Series[] = [];
  for (const { name, subject } of SUBJECTS) {
    const points: [number, number][] = [];
    for (const factor of [1, 2, 5, 10, 20, 50]) {
      const victim = { ...poisson(0.45), tenant: "victim" };
      const { streams } = await run(subject, [victim, { ...poisson(0.45 * factor), tenant: "other" }], options);
      points.push([factor, streams[0]?.attainment ?? Number.NaN]);
    }
    series.push({ name, points });
  }
  const x = { label: "the other tenant's offer in multiples of its share", log: true };
  const y = { label: "part of the first tenant's answered in time" };
  return { id: "tenant-beside-flood", chart: { title: "A tenant beside another one's flood", x, y, series } };
}
