/** A device whose runs take what a script says, under the real scheduler and on a virtual clock. */
import { batchSizesUpTo, CostModel } from "../../gpu-pool/scheduler/cost-model.ts";
import { DeviceScheduler, type SchedulerSettings } from "../../gpu-pool/scheduler/device-scheduler.ts";
import type { Ticket } from "../../gpu-pool/scheduler/entry.ts";
import type { Executor } from "../../gpu-pool/scheduler/executor.ts";
import type { Lane } from "../../gpu-pool/scheduler/lane.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { PriorityClass } from "../../shared/protocol/priority.ts";
import { SerialPlaces } from "./serial-places.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface Request {
  readonly id: number;
  readonly lane: number;
  readonly rows: number;
  readonly bucket: string;
  readonly tenant: string;
  readonly priority: PriorityClass;
  readonly deadline: number;
  readonly digest: string | undefined;
  readonly poison: boolean;
}

export interface Outcome {
  readonly at: number;
  /** `ok`, or the error's code. */
  readonly code: string;
}

export interface DeviceScript extends Partial<SchedulerSettings> {
  readonly lanes?: number;
  readonly instances?: number;
  readonly largestBatch?: number;
  readonly maxDelayMs?: number;
  /** A run of n rows is expected to take baseMs + n * perRowMs. */
  readonly baseMs?: number;
  readonly perRowMs?: number;
  /** Factors by which the runs differ from that, one after another and over again. */
  readonly noise?: readonly number[];
  readonly weights?: Readonly<Record<string, number>>;
  /** Items that fail by themselves, without failing their batch. */
  readonly failOnly?: ReadonlySet<number>;
  /** How many results too few the executor gives back. */
  readonly resultsShort?: number;
  readonly lastFirst?: boolean;
}

export type Given = Partial<Omit<Request, "id" | "deadline">> & { readonly forMs?: number; readonly bytes?: number };

export class ScriptedDevice {
  readonly clock: VirtualClock;
  readonly scheduler: DeviceScheduler<Request, string>;
  readonly lanes: Lane<Request, string>[] = [];
  /** What was taken in, by id. */
  readonly requests: Request[] = [];
  readonly outcomes = new Map<number, Outcome>();
  /** Ids of what ran together, in order of start. */
  readonly batches: number[][] = [];
  /** When each batch was handed over, and when it began: later where it was handed over ahead. */
  readonly handedAt: number[] = [];
  readonly begunAt: number[] = [];
  /** Noted instead of thrown: the scheduler would take that for a batch that failed. */
  readonly violations: string[] = [];
  lastRefusal: WarmgateError | undefined;
  readonly #script: DeviceScript;
  readonly #tickets: Ticket<string>[] = [];
  #runs = 0;
  #running = 0;

  constructor(script: DeviceScript) {
    this.#script = script;
    const { lanes = 1, instances = 1, largestBatch = 4, maxDelayMs = 0, weights = {} } = script;
    this.clock = new VirtualClock(script.lastFirst);
    this.scheduler = new DeviceScheduler(this.clock, {
      slots: 1,
      maxQueueMs: 10_000,
      maxQueueItems: 1_000,
      maxQueueBytes: 1_000_000,
      overloadedWaitMs: 20,
      weightOf: (tenant) => weights[tenant] ?? 1,
      random: () => 0.5,
      epochMs: () => 0,
      ...script,
    });
    for (let lane = 0; lane < lanes; lane++) {
      const costs = new CostModel(batchSizesUpTo(largestBatch));
      for (const rows of costs.sizes) costs.seed("a", rows, this.costOf(rows));
      const executor = this.#executor(lane, instances, largestBatch);
      this.lanes.push(this.scheduler.addLane({ executor, costs, largestBatch, instances, maxDelayMs }));
    }
  }

  /** What a run of so many rows is expected to take, in milliseconds. */
  costOf(rows: number): number {
    return (this.#script.baseMs ?? 8) + rows * (this.#script.perRowMs ?? 2);
  }

  /** @returns the code of the refusal; undefined when it was taken in */
  submit(given: Given): string | undefined {
    const { lane = 0, rows = 1, bucket = "a", tenant = "acme", priority = "default", poison = false, digest } = given;
    const { forMs = 1_000, bytes = 1 } = given;
    const deadline = this.clock.now() + forMs;
    const id = this.requests.length;
    const item: Request = { id, lane, rows, bucket, tenant, priority, deadline, digest, poison };
    const submission = { item, rows, bytes, bucket, priority, tenant, deadline, digest };
    const submitTo = this.lanes[lane];
    if (!submitTo) throw new Error(`there is no lane ${lane}`);
    let ticket: Ticket<string>;
    try {
      ticket = this.scheduler.submit(submitTo, submission);
    } catch (error) {
      if (!(error instanceof WarmgateError)) throw error;
      this.lastRefusal = error;
      return error.code;
    }
    this.requests.push(item);
    this.#tickets.push(ticket);
    const settle = (code: string) => {
      if (this.outcomes.has(id)) this.violations.push(`${id} answered twice`);
      this.outcomes.set(id, { at: this.clock.now(), code });
    };
    ticket.result.then(
      ({ result }) => {
        if (result !== answerTo(item)) this.violations.push(`${id} got ${result}`);
        settle("ok");
      },
      (error: unknown) => settle(error instanceof WarmgateError ? error.code : "model_failed"),
    );
    return undefined;
  }

  cancel(which: number): void {
    this.#tickets[which % (this.#tickets.length || 1)]?.cancel();
  }

  count(code: string): number {
    return [...this.outcomes.values()].filter((outcome) => outcome.code === code).length;
  }

  #executor(lane: number, instances: number, largestBatch: number): Executor<Request, string> {
    let running = 0;
    const begin = (items: readonly Request[]): Promise<(string | Error)[]> => {
      const now = this.clock.now();
      const rows = items.reduce((sum, item) => sum + item.rows, 0);
      const { slots = 1, noise = [1], resultsShort = 0, failOnly } = this.#script;
      const broken = (what: string, holds: boolean) => {
        if (holds) this.violations.push(`${what} in the batch of ${items.map(({ id }) => id)} at ${now}`);
      };
      broken("more runs than instances", ++running > instances);
      broken("more runs than slots", ++this.#running > slots);
      broken("too many rows", rows > largestBatch);
      broken("two shapes", new Set(items.map((item) => item.bucket)).size !== 1);
      broken(
        "another model's item",
        items.some((item) => item.lane !== lane),
      );
      // Another caller of the same entry may have a later deadline; of its own accord nothing starts too late.
      broken(
        "a start after the deadline",
        items.some((item) => item.digest === undefined && item.deadline <= now),
      );
      this.batches.push(items.map(({ id }) => id));
      this.begunAt.push(now);
      const ms = this.costOf(rows) * (noise[this.#runs++ % noise.length] ?? 1);
      return new Promise((resolve, reject) => {
        this.clock.schedule(ms, () => {
          running--;
          this.#running--;
          if (items.some((item) => item.poison)) reject(new Error("poison"));
          else {
            const results = items.map((item) => (failOnly?.has(item.id) ? new Error("bad row") : answerTo(item)));
            resolve(results.slice(0, results.length - resultsShort));
          }
        });
      });
    };
    const places = new SerialPlaces();
    return {
      run: (items, place) => {
        this.handedAt.push(this.clock.now());
        return places.run(place, () => begin(items));
      },
      takeBack: (place) => places.takeBack(place),
    };
  }
}

/** Identical items have identical answers. */
function answerTo({ digest, id }: Request): string {
  return digest === undefined ? `answer ${id}` : `answer ${digest}`;
}
