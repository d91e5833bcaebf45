/**
 * What is simulated: the product's own scheduler, unchanged, and the two batchers that users know, each on the same
 * device. A subject answers each request exactly once, by calling `settle`.
 */
import { batchSizesUpTo, CostModel } from "../../gpu-pool/scheduler/cost-model.ts";
import { DeviceScheduler } from "../../gpu-pool/scheduler/device-scheduler.ts";
import type { Executor } from "../../gpu-pool/scheduler/executor.ts";
import type { PriorityClass } from "../../shared/protocol/priority.ts";
import { SerialPlaces } from "../support/serial-places.ts";
import { type DeviceModel, meanMs, runTimes } from "./device-model.ts";
import type { EventClock } from "./event-clock.ts";

export interface SimulatedRequest {
  readonly stream: number;
  readonly tenant: string;
  readonly priority: PriorityClass;
  readonly arrivedAt: number;
  readonly deadline: number;
}

export type Settlement = "ok" | "refused" | "gave_up";

export interface Subject {
  submit(request: SimulatedRequest): void;
  readonly batches: number;
  readonly rows: number;
  /** Rows whose answer came after their deadline: the device worked for nobody. */
  readonly deadRows: number;
}

export interface Stage {
  readonly clock: EventClock;
  readonly device: DeviceModel;
  readonly seed: number;
  /** Before this moment nothing is counted: the queue is still filling. */
  readonly measureFrom: number;
  readonly settle: (request: SimulatedRequest, how: Settlement) => void;
}

export type SubjectFactory = (stage: Stage) => Subject;

/** Counts what the device does, for every subject alike. */
class Device {
  batches = 0;
  rows = 0;
  deadRows = 0;
  readonly #stage: Stage;
  readonly #timeOf: (rows: number) => number;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#timeOf = runTimes(stage.device, stage.seed);
  }

  run(batch: readonly SimulatedRequest[], done: () => void): void {
    const { clock, measureFrom } = this.#stage;
    clock.schedule(this.#timeOf(batch.length), () => {
      // The same requests count here as among the answers, so that dead rows and misses can be compared.
      const measured = batch.filter((request) => request.arrivedAt >= measureFrom);
      if (measured.length > 0) {
        this.batches++;
        this.rows += batch.length;
        this.deadRows += measured.filter((request) => request.deadline < clock.now()).length;
      }
      done();
    });
  }
}

export const warmgate: SubjectFactory = (stage) => {
  const { clock, device, settle, seed } = stage;
  const simulated = new Device(stage);
  const scheduler = new DeviceScheduler<SimulatedRequest, true>(clock, {
    slots: 1,
    maxQueueMs: 2_000,
    maxQueueItems: 4_096,
    maxQueueBytes: 1e9,
    overloadedWaitMs: 20,
    weightOf: () => 1,
    random: () => (seed % 10) / 10,
    epochMs: () => 0,
  });
  const { largestBatch } = device;
  const costs = new CostModel(batchSizesUpTo(largestBatch));
  for (const rows of costs.sizes) costs.seed("", rows, meanMs(device, rows));
  const places = new SerialPlaces();
  const begin = (batch: readonly SimulatedRequest[]) =>
    new Promise<readonly true[]>((resolve) => simulated.run(batch, () => resolve(batch.map(() => true))));
  const executor: Executor<SimulatedRequest, true> = {
    run: (batch, place) => places.run(place, () => begin(batch)),
    takeBack: (place) => places.takeBack(place),
  };
  const lane = scheduler.addLane({ executor, costs, largestBatch, instances: 1, maxDelayMs: 0 });
  return {
    submit(request) {
      const { priority, tenant, deadline } = request;
      try {
        const submission = { item: request, rows: 1, bytes: 1, bucket: "", priority, tenant, deadline };
        scheduler.submit(lane, submission).result.then(
          () => settle(request, "ok"),
          () => settle(request, "gave_up"),
        );
      } catch {
        settle(request, "refused");
      }
    },
    get batches() {
      return simulated.batches;
    },
    get rows() {
      return simulated.rows;
    },
    get deadRows() {
      return simulated.deadRows;
    },
  };
};

/** The batcher of most Python servers: first in, first out, a timer, no bound, deadlines unheard of. */
export const fifoWithTimer: SubjectFactory = (stage) =>
  new FifoSubject(stage, { maxDelayMs: 5, maxQueued: Number.POSITIVE_INFINITY, queueTimeout: false });

/** As Triton is set up by those who know: a bounded queue, and what waits past its timeout is thrown out at dispatch. */
export const fifoWithQueueTimeout: SubjectFactory = (stage) =>
  new FifoSubject(stage, { maxDelayMs: 0, maxQueued: 512, queueTimeout: true });

interface FifoRules {
  /** How long an incomplete batch waits for more. */
  readonly maxDelayMs: number;
  readonly maxQueued: number;
  /** Whether what is past its deadline is dropped when a batch is formed. */
  readonly queueTimeout: boolean;
}

class FifoSubject implements Subject {
  readonly #stage: Stage;
  readonly #rules: FifoRules;
  readonly #device: Device;
  #queue: SimulatedRequest[] = [];
  #busy = false;
  #timerSet = false;

  constructor(stage: Stage, rules: FifoRules) {
    this.#stage = stage;
    this.#rules = rules;
    this.#device = new Device(stage);
  }

  get batches(): number {
    return this.#device.batches;
  }

  get rows(): number {
    return this.#device.rows;
  }

  get deadRows(): number {
    return this.#device.deadRows;
  }

  submit(request: SimulatedRequest): void {
    if (this.#queue.length >= this.#rules.maxQueued) {
      this.#stage.settle(request, "refused");
      return;
    }
    this.#queue.push(request);
    this.#dispatch();
  }

  #dispatch(): void {
    const { clock, device, settle } = this.#stage;
    if (this.#busy) return;
    if (this.#rules.queueTimeout) {
      for (const request of this.#queue) if (request.deadline < clock.now()) settle(request, "gave_up");
      this.#queue = this.#queue.filter((request) => request.deadline >= clock.now());
    }
    const [oldest] = this.#queue;
    if (!oldest) return;
    const dueIn = oldest.arrivedAt + this.#rules.maxDelayMs - clock.now();
    if (this.#queue.length < device.largestBatch && dueIn > 0) {
      if (this.#timerSet) return;
      this.#timerSet = true;
      clock.schedule(dueIn, () => {
        this.#timerSet = false;
        this.#dispatch();
      });
      return;
    }
    const batch = this.#queue.splice(0, device.largestBatch);
    this.#busy = true;
    this.#device.run(batch, () => {
      this.#busy = false;
      for (const request of batch) settle(request, "ok");
      this.#dispatch();
    });
  }
}
