/** One model version on the device: what of it waits, what of it runs, and what its runs cost. */
import { ArrivalRate } from "./batch-delay.ts";
import { BatchQueue } from "./batch-queue.ts";
import type { CostModel } from "./cost-model.ts";
import type { Entry, Waiter } from "./entry.ts";
import type { Executor } from "./executor.ts";

export interface LaneSettings<Item, Result> {
  readonly executor: Executor<Item, Result>;
  readonly costs: CostModel;
  /** Largest batch in rows. */
  readonly largestBatch: number;
  /** Runs of this model that can go on at once: its instances. */
  readonly instances: number;
  /** How long an idle device may wait for a fuller batch, in milliseconds; 0: never. */
  readonly maxDelayMs: number;
}

/** What has become of the requests of one model version, as counts that only grow. */
export interface LaneCounts {
  /** Requests taken in, those that joined another's run included. */
  admitted: number;
  /** Requests that joined the run of an identical one. */
  merged: number;
  refusedOverloaded: number;
  refusedUnreachable: number;
  /** Taken in, and left the queue because they could no longer be run in time. */
  expired: number;
  /** Run, and too late all the same. */
  late: number;
  /** Callers that left before they were answered. */
  cancelled: number;
  /** Batches that failed and were run again in halves. */
  bisected: number;
  /** Rows that were started although nobody could use their answer any more: always 0. */
  deadWork: number;
}

/** Buckets with anything in them are bounded by the queue's items; an empty one is dropped. */
export class Lane<Item, Result> {
  readonly settings: LaneSettings<Item, Result>;
  readonly queues = new Map<string, BatchQueue<Item, Result>>();
  readonly arrivals = new ArrivalRate();
  /** Waiting and running items by what makes them identical. */
  readonly byDigest = new Map<string, Entry<Item, Result>>();
  readonly counts: LaneCounts = {
    admitted: 0,
    merged: 0,
    refusedOverloaded: 0,
    refusedUnreachable: 0,
    expired: 0,
    late: 0,
    cancelled: 0,
    bisected: 0,
    deadWork: 0,
  };
  /** Runs going on, and items in them that are not answered yet. */
  runs = 0;
  runningItems = 0;
  readonly whenEmpty: (() => void)[] = [];

  constructor(settings: LaneSettings<Item, Result>) {
    this.settings = settings;
  }

  get queuedRows(): number {
    let rows = 0;
    for (const queue of this.queues.values()) rows += queue.rows;
    return rows;
  }

  get isEmpty(): boolean {
    return this.queues.size === 0 && this.runningItems === 0;
  }

  get hasFreeInstance(): boolean {
    return this.runs < this.settings.instances;
  }

  /** Device time of all that waits in a bucket if `rows` more do, in milliseconds. */
  queuedMs(bucket: string, rows: number, now: number): number {
    const { costs, largestBatch } = this.settings;
    const total = (this.queues.get(bucket)?.rows ?? 0) + rows;
    const full = Math.floor(total / largestBatch);
    const rest = total % largestBatch;
    return full * costs.expectedMs(bucket, largestBatch, now) + (rest === 0 ? 0 : costs.expectedMs(bucket, rest, now));
  }

  /** Device time that `rows` more add to what waits, in milliseconds. */
  addedMs(bucket: string, rows: number, now: number): number {
    return Math.max(0, this.queuedMs(bucket, rows, now) - this.queuedMs(bucket, 0, now));
  }

  /** Rows that wait now and would run in one batch with `rows` more. */
  rowsBeside(bucket: string, rows: number): number {
    const { largestBatch } = this.settings;
    const rest = (this.queues.get(bucket)?.rows ?? 0) % largestBatch;
    return rest + rows <= largestBatch ? rest : 0;
  }

  queueOf(bucket: string): BatchQueue<Item, Result> {
    let queue = this.queues.get(bucket);
    if (!queue) {
      queue = new BatchQueue(bucket);
      this.queues.set(bucket, queue);
    }
    return queue;
  }

  /** Ends an entry; its callers come back, to be answered now. */
  end(entry: Entry<Item, Result>): Waiter<Result>[] {
    const { digest } = entry.submission;
    if (entry.state === "running") this.runningItems -= entry.waiters.length;
    entry.state = "over";
    if (digest !== undefined && this.byDigest.get(digest) === entry) this.byDigest.delete(digest);
    return entry.waiters.splice(0);
  }

  reportIfEmpty(): void {
    if (this.isEmpty) for (const resolve of this.whenEmpty.splice(0)) resolve();
  }
}
