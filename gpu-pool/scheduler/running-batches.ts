/** What the device is doing: the runs that go on, how they end, and when a slot will be free. */
import { type Entry, earliestDeadline, expired } from "./entry.ts";
import type { Clock } from "./executor.ts";
import type { Lane } from "./lane.ts";

interface Run<Item, Result> {
  readonly lane: Lane<Item, Result>;
  readonly entries: readonly Entry<Item, Result>[];
  expectedEnd: number;
}

export class RunningBatches<Item, Result> {
  readonly #clock: Clock;
  readonly #slots: number;
  readonly #onFree: () => void;
  readonly #runs = new Set<Run<Item, Result>>();

  /** @param onFree called when a slot has become free, before the answers of its run are given out */
  constructor(clock: Clock, slots: number, onFree: () => void) {
    this.#clock = clock;
    this.#slots = slots;
    this.#onFree = onFree;
  }

  get hasFreeSlot(): boolean {
    return this.#runs.size < this.#slots;
  }

  get size(): number {
    return this.#runs.size;
  }

  /**
   * Time until a run of the model can start, or of any model, in milliseconds. A run that takes longer than it should is
   * taken to need as long again as it is late: one that hangs must not look about to end for ever.
   */
  untilFree(now: number, lane?: Lane<Item, Result>): number {
    if (lane ? lane.hasFreeInstance : this.hasFreeSlot) return 0;
    let soonest = Number.POSITIVE_INFINITY;
    for (const run of this.#runs) {
      if (!lane || run.lane === lane) soonest = Math.min(soonest, Math.abs(run.expectedEnd - now));
    }
    return soonest;
  }

  start(lane: Lane<Item, Result>, entries: readonly Entry<Item, Result>[]): void {
    const run: Run<Item, Result> = { lane, entries, expectedEnd: this.#clock.now() };
    this.#runs.add(run);
    lane.runs++;
    for (const entry of entries) {
      entry.state = "running";
      lane.runningItems += entry.waiters.length;
    }
    void this.#run(run, entries, true).finally(() => {
      this.#finish(run);
      lane.reportIfEmpty();
    });
  }

  /** Callers whose time has run out are no longer made to wait; the run itself cannot be stopped. */
  expire(now: number): void {
    for (const { lane, entries } of this.#runs) {
      for (const entry of entries) {
        if (entry.state !== "running" || entry.deadline > now) continue;
        const due = entry.waiters.filter((waiter) => waiter.deadline <= now);
        lane.counts.late += due.length;
        this.dismiss(lane, entry, new Set(due), expired());
      }
    }
  }

  /** Answers some callers of a running entry with an error. */
  dismiss(lane: Lane<Item, Result>, entry: Entry<Item, Result>, leaving: ReadonlySet<unknown>, error: Error): void {
    const staying = entry.waiters.filter((waiter) => !leaving.has(waiter));
    const gone = entry.waiters.filter((waiter) => leaving.has(waiter));
    if (staying.length === 0) lane.end(entry);
    else {
      lane.runningItems -= gone.length;
      entry.waiters = staying;
      entry.deadline = earliestDeadline(staying);
    }
    for (const waiter of gone) waiter.reject(error);
    lane.reportIfEmpty();
  }

  /** The next moment at which a caller's time runs out; infinity when nothing runs. */
  earliestDeadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { entries } of this.#runs) {
      for (const entry of entries) if (entry.state === "running") earliest = Math.min(earliest, entry.deadline);
    }
    return earliest;
  }

  #finish(run: Run<Item, Result>): void {
    if (!this.#runs.delete(run)) return;
    run.lane.runs--;
    this.#onFree();
  }

  /**
   * Runs a batch; one that fails is halved and run again, so that only the items that cannot be run fail.
   *
   * @param isLast whether the slot is free after it
   */
  async #run(run: Run<Item, Result>, given: readonly Entry<Item, Result>[], isLast: boolean): Promise<void> {
    const { lane } = run;
    const { executor, costs } = lane.settings;
    const startedAt = this.#clock.now();
    const batch = given.filter((entry) => this.#isWorthRunning(lane, entry, startedAt));
    const [first] = batch;
    if (!first) return;
    const { bucket } = first.submission;
    const rows = batch.reduce((sum, entry) => sum + entry.submission.rows, 0);
    run.expectedEnd = startedAt + costs.expectedMs(bucket, rows, startedAt);
    try {
      const outcomes = await executor.run(batch.map((entry) => entry.submission.item));
      const endedAt = this.#clock.now();
      const ms = endedAt - startedAt;
      costs.observe(bucket, rows, ms, endedAt);
      // The next batch leaves first: answering this one takes time in which the device would stand still.
      if (isLast) this.#finish(run);
      for (const [index, entry] of batch.entries()) {
        const outcome = outcomes[index] ?? new Error("the batch has fewer results than items");
        if (outcome instanceof Error) fail(lane, entry, outcome);
        else deliver(lane, entry, outcome, { startedAt, rows, ms });
      }
    } catch (error) {
      if (batch.length === 1) return fail(lane, first, error instanceof Error ? error : new Error(String(error)));
      lane.counts.bisected++;
      const middle = Math.ceil(batch.length / 2);
      await this.#run(run, batch.slice(0, middle), false);
      await this.#run(run, batch.slice(middle), isLast);
    }
  }

  /** What is run again after a failure may have run out of time meanwhile, or lost its callers. */
  #isWorthRunning(lane: Lane<Item, Result>, entry: Entry<Item, Result>, now: number): boolean {
    if (entry.state !== "running") return false;
    if (entry.latestStart > now) return true;
    lane.counts.expired += entry.waiters.length;
    fail(lane, entry, expired());
    return false;
  }
}

interface BatchRun {
  readonly startedAt: number;
  readonly rows: number;
  readonly ms: number;
}

function deliver<Item, Result>(
  lane: Lane<Item, Result>,
  entry: Entry<Item, Result>,
  result: Result,
  { startedAt, rows, ms }: BatchRun,
): void {
  const share = (ms * entry.submission.rows) / rows;
  for (const [index, waiter] of lane.end(entry).entries()) {
    const queuedMs = Math.max(0, startedAt - waiter.since);
    waiter.resolve({ result, queuedMs, batchRows: rows, deviceMs: index === 0 ? share : 0 });
  }
}

function fail<Item, Result>(lane: Lane<Item, Result>, entry: Entry<Item, Result>, error: Error): void {
  for (const waiter of lane.end(entry)) waiter.reject(error);
}
