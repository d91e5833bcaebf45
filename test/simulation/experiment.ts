/** One simulated experiment: streams of requests, one subject, so many seconds. The same seed gives the same result. */
import type { PriorityClass } from "../../shared/protocol/priority.ts";
import { type ArrivalProcess, ArrivalTimes } from "../bench/arrivals.ts";
import type { DeviceModel } from "./device-model.ts";
import { EventClock } from "./event-clock.ts";
import type { Settlement, SimulatedRequest, SubjectFactory } from "./subjects.ts";

export interface SimulatedStream {
  readonly arrivals: ArrivalProcess;
  readonly deadlineMs: number;
  readonly tenant?: string;
  readonly priority?: PriorityClass;
}

export interface Experiment {
  readonly subject: SubjectFactory;
  readonly device: DeviceModel;
  readonly streams: readonly SimulatedStream[];
  readonly seconds: number;
  readonly seed: number;
}

export interface StreamOutcome {
  readonly offered: number;
  /** Answered inside the deadline. */
  readonly good: number;
  readonly goodputPerSecond: number;
  /** Answered, too late. */
  readonly late: number;
  readonly refused: number;
  /** Taken in, and dropped later. */
  readonly gaveUp: number;
  /** Of everything that was answered with a result. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Part of the offered that was answered in time. */
  readonly attainment: number;
}

export interface ExperimentOutcome {
  readonly streams: readonly StreamOutcome[];
  readonly goodputPerSecond: number;
  readonly meanBatchRows: number;
  /** Part of the device's rows whose answer came too late for anybody. */
  readonly deadShare: number;
}

/** Before this, the queue is still filling. */
const WARM_UP_MS = 2_000;

export async function simulate({ subject, device, streams, seconds, seed }: Experiment): Promise<ExperimentOutcome> {
  const clock = new EventClock();
  const endAt = WARM_UP_MS + seconds * 1000;
  const tallies = streams.map(() => new Tally());
  const settle = (request: SimulatedRequest, how: Settlement) => {
    if (request.arrivedAt >= WARM_UP_MS) tallies[request.stream]?.settle(request, how, clock.now());
  };
  const running = subject({ clock, device, seed, measureFrom: WARM_UP_MS, settle });
  await clock.run(arrivalsOf(streams, endAt, seed, running.submit.bind(running)));
  const outcomes = tallies.map((tally) => tally.outcome(seconds));
  return {
    streams: outcomes,
    goodputPerSecond: outcomes.reduce((sum, { goodputPerSecond }) => sum + goodputPerSecond, 0),
    meanBatchRows: running.rows / Math.max(1, running.batches),
    deadShare: running.deadRows / Math.max(1, running.rows),
  };
}

function* arrivalsOf(
  streams: readonly SimulatedStream[],
  endAt: number,
  seed: number,
  submit: (request: SimulatedRequest) => void,
): Generator<{ readonly at: number; readonly happen: () => void }> {
  const times = streams.map(({ arrivals }, index) => new ArrivalTimes(arrivals, 0, seed + 101 * index));
  for (;;) {
    let next = 0;
    for (const [index, candidate] of times.entries()) {
      if (candidate.next < (times[next]?.next ?? Number.POSITIVE_INFINITY)) next = index;
    }
    const time = times[next];
    const stream = streams[next];
    if (!time || !stream || time.next > endAt) return;
    const at = time.next;
    const { tenant = "", priority = "default", deadlineMs } = stream;
    yield {
      at,
      happen: () => submit({ stream: next, tenant, priority, arrivedAt: at, deadline: at + deadlineMs }),
    };
    time.advance();
  }
}

class Tally {
  readonly #latencies: number[] = [];
  #good = 0;
  #refused = 0;
  #gaveUp = 0;

  settle(request: SimulatedRequest, how: Settlement, now: number): void {
    if (how === "refused") this.#refused++;
    else if (how === "gave_up") this.#gaveUp++;
    else {
      this.#latencies.push(now - request.arrivedAt);
      if (now <= request.deadline) this.#good++;
    }
  }

  outcome(seconds: number): StreamOutcome {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    const offered = sorted.length + this.#refused + this.#gaveUp;
    return {
      offered,
      good: this.#good,
      goodputPerSecond: this.#good / seconds,
      late: sorted.length - this.#good,
      refused: this.#refused,
      gaveUp: this.#gaveUp,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      attainment: this.#good / Math.max(1, offered),
    };
  }
}
