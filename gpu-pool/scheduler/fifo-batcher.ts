/**
 * First in, first out, batched: one queue for one model version on one executor.
 *
 * Promises: every submitted item is answered exactly once; an item whose deadline has passed is never started; the
 * queue never holds more than `maxQueuedRows`; at most one batch runs at a time.
 *
 * It never waits for a batch to fill. While a batch runs, arrivals gather; when it ends, everything that fits and
 * can be run together goes at once. An idle executor is given work as soon as what has already arrived is taken in,
 * so a lone request is not delayed and a burst is not split. A batch that fails is halved and run again, so that one
 * item that the model cannot take fails alone.
 *
 * Worst case: an item waits for the running batch plus the batches before it, and leaves with `deadline_exceeded`
 * at its deadline at the latest.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Clock, Executor } from "./executor.ts";

export interface Submission<Item> {
  readonly item: Item;
  /** Rows of the batch dimension that the item takes, at least 1. */
  readonly rows: number;
  /** Items are run together only when their keys are equal: the shapes behind the batch dimension. */
  readonly batchKey: string;
  /** When the answer is of no more use, on the clock's scale. */
  readonly deadline: number;
}

export interface BatcherLimits {
  /** Largest batch in rows; an item alone may reach it, not exceed it. */
  readonly maxBatchRows: number;
  readonly maxQueuedRows: number;
}

/** An item's way out of the queue before it has run, for a caller that has gone. */
export interface Ticket<Result> {
  readonly result: Promise<Answer<Result>>;
  /** Takes the item out of the queue; without effect once it runs or is answered. */
  cancel(): void;
}

export interface Answer<Result> {
  readonly result: Result;
  /** Time between submission and the start of the batch, in milliseconds. */
  readonly queuedMs: number;
  /** Rows of the batch in which the item ran. */
  readonly batchRows: number;
}

interface Entry<Item, Result> extends Submission<Item> {
  readonly submittedAt: number;
  readonly resolve: (answer: Answer<Result>) => void;
  readonly reject: (error: Error) => void;
  settled: boolean;
}

export class FifoBatcher<Item, Result> {
  readonly #executor: Executor<Item, Result>;
  readonly #clock: Clock;
  readonly #limits: BatcherLimits;
  #queue: Entry<Item, Result>[] = [];
  #queuedRows = 0;
  #running: Entry<Item, Result>[] = [];
  #dispatchPlanned = false;
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined;
  #whenEmpty: (() => void)[] = [];

  constructor(executor: Executor<Item, Result>, clock: Clock, limits: BatcherLimits) {
    this.#executor = executor;
    this.#clock = clock;
    this.#limits = limits;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  /** Items that have been submitted and not been answered. */
  get outstanding(): number {
    return this.#queue.length + this.#running.length;
  }

  /**
   * Takes an item in.
   *
   * @throws WarmgateError `overloaded` when the queue is full, `batch_too_large`, `deadline_exceeded`; nothing was
   * queued then
   */
  submit(submission: Submission<Item>): Ticket<Result> {
    const now = this.#clock.now();
    if (submission.rows > this.#limits.maxBatchRows) {
      throw new WarmgateError(
        "batch_too_large",
        `the batch has ${submission.rows} rows; the largest this model takes is ${this.#limits.maxBatchRows}`,
      );
    }
    if (submission.deadline <= now) throw expired();
    if (this.#queuedRows + submission.rows > this.#limits.maxQueuedRows) {
      throw new WarmgateError("overloaded", "the model's queue is full", { retryAfterSeconds: 1 });
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer<Result>>();
    const entry: Entry<Item, Result> = { ...submission, submittedAt: now, resolve, reject, settled: false };
    this.#queue.push(entry);
    this.#queuedRows += entry.rows;
    this.#planDispatch();
    this.#armAlarm(entry.deadline);
    return { result: promise, cancel: () => this.#cancel(entry) };
  }

  /** Resolves once everything submitted so far has been answered. */
  drained(): Promise<void> {
    if (this.outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  #planDispatch(): void {
    if (this.#dispatchPlanned || this.#running.length > 0) return;
    this.#dispatchPlanned = true;
    this.#clock.soon(() => {
      this.#dispatchPlanned = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#running.length > 0) return;
    this.#expire();
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    this.#running = batch;
    const startedAt = this.#clock.now();
    const batchRows = batch.reduce((rows, entry) => rows + entry.rows, 0);
    this.#run(batch, (entry, result) =>
      entry.resolve({ result, queuedMs: startedAt - entry.submittedAt, batchRows }),
    ).finally(() => {
      this.#running = [];
      if (this.#queue.length > 0) this.#dispatch();
      this.#reportEmpty();
    });
  }

  /** Runs a batch; one that fails is halved and run again, so that only the items that cannot be run fail. */
  async #run(
    batch: readonly Entry<Item, Result>[],
    deliver: (entry: Entry<Item, Result>, result: Result) => void,
  ): Promise<void> {
    try {
      const results = await this.#executor.run(batch.map((entry) => entry.item));
      batch.forEach((entry, index) => {
        const result = results[index];
        if (result === undefined) throw new Error("the batch has fewer results than items");
        if (entry.settled) return;
        entry.settled = true;
        deliver(entry, result);
      });
    } catch (error) {
      const [first] = batch;
      if (first && batch.length === 1) return settle(first, error instanceof Error ? error : new Error(String(error)));
      const middle = Math.ceil(batch.length / 2);
      for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
        this.#expire();
        const wanted = half.filter((entry) => !entry.settled);
        if (wanted.length > 0) await this.#run(wanted, deliver);
      }
    }
  }

  /** The oldest item and, in order, all that may run with it; an odd one in between keeps its place. */
  #takeBatch(): Entry<Item, Result>[] {
    const head = this.#queue[0];
    if (!head) return [];
    const batch: Entry<Item, Result>[] = [];
    const left: Entry<Item, Result>[] = [];
    let rows = 0;
    for (const entry of this.#queue) {
      if (entry.batchKey === head.batchKey && rows + entry.rows <= this.#limits.maxBatchRows) {
        batch.push(entry);
        rows += entry.rows;
      } else {
        left.push(entry);
      }
    }
    this.#queue = left;
    this.#queuedRows -= rows;
    return batch;
  }

  #cancel(entry: Entry<Item, Result>): void {
    const index = this.#queue.indexOf(entry);
    if (index < 0) return;
    this.#queue.splice(index, 1);
    this.#queuedRows -= entry.rows;
    settle(entry, new WarmgateError("deadline_exceeded", "the caller has gone"));
    this.#reportEmpty();
  }

  /** Answers what can no longer be answered in time: waiting items leave the queue, running ones stop being waited for. */
  #expire(): void {
    const now = this.#clock.now();
    const due = this.#queue.filter((entry) => entry.deadline <= now);
    if (due.length > 0) {
      this.#queue = this.#queue.filter((entry) => entry.deadline > now);
      for (const entry of due) {
        this.#queuedRows -= entry.rows;
        settle(entry, expired());
      }
    }
    for (const entry of this.#running) if (entry.deadline <= now) settle(entry, expired());
    this.#reportEmpty();
  }

  /** One timer serves all items: it is set to the earliest deadline known, and finds out when it rings who is due. */
  #armAlarm(deadline: number): void {
    if (this.#alarm && this.#alarm.at <= deadline) return;
    this.#alarm?.cancel();
    const cancel = this.#clock.schedule(Math.max(0, deadline - this.#clock.now()), () => {
      this.#alarm = undefined;
      this.#expire();
      let next = Number.POSITIVE_INFINITY;
      for (const entry of this.#queue) next = Math.min(next, entry.deadline);
      for (const entry of this.#running) if (!entry.settled) next = Math.min(next, entry.deadline);
      if (next < Number.POSITIVE_INFINITY) this.#armAlarm(next);
    });
    this.#alarm = { at: deadline, cancel };
  }

  #reportEmpty(): void {
    if (this.outstanding > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }
}

function expired(): WarmgateError {
  return new WarmgateError("deadline_exceeded", "the time budget ran out before the model could answer");
}

function settle<Item, Result>(entry: Entry<Item, Result>, error: Error): void {
  if (entry.settled) return;
  entry.settled = true;
  entry.reject(error);
}
