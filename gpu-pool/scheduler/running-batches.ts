/**
 * What the device is doing: the runs that go on, how they end, and when a slot will be free.
 *
 * A run may be handed over shortly before the one it follows ends, to the same thread: else the device would stand still while
 * the end of one is told, the next batch formed and sent, which is most of a millisecond.
 */
import { type Entry, earliestDeadline, expired } from "./entry.ts";
import { type Clock, type Place, TakenBack } from "./executor.ts";
import type { Lane } from "./lane.ts";

/** How long before the expected end of a run the next one may be handed over: timers are a millisecond coarse. */
const AHEAD_MS = 2;
/** Runs shorter than that end before a timer could ring. */
const SHORTEST_MS = 2 * AHEAD_MS;

export interface Run<Item, Result> {
  readonly lane: Lane<Item, Result>;
  readonly entries: readonly Entry<Item, Result>[];
  readonly place: Place;
  readonly expectedMs: number;
  expectedEnd: number;
  /** Handed over already, to begin when this one has ended. */
  next: Run<Item, Result> | undefined;
  follows: Run<Item, Result> | undefined;
  forgetTimer: (() => void) | undefined;
  isEnding: boolean;
  /** It has failed and is run again in parts: when it ends is not known. */
  halved: boolean;
  /** Called when it has a slot again after it let another one pass. */
  onSlot: (() => void) | undefined;
}

export class RunningBatches<Item, Result> {
  readonly #clock: Clock;
  readonly #slots: number;
  readonly #onFree: () => void;
  readonly #onTakenBack: (lane: Lane<Item, Result>, entries: readonly Entry<Item, Result>[]) => void;
  /** Those that have a slot. */
  readonly #runs = new Set<Run<Item, Result>>();

  /**
   * @param onFree called when a slot has become free, before the answers of its run are given out, and shortly before
   * @param onTakenBack called with what did not run after all and is still waited for
   */
  constructor(
    clock: Clock,
    slots: number,
    onFree: () => void,
    onTakenBack: (lane: Lane<Item, Result>, entries: readonly Entry<Item, Result>[]) => void,
  ) {
    this.#clock = clock;
    this.#slots = slots;
    this.#onFree = onFree;
    this.#onTakenBack = onTakenBack;
  }

  get hasFreeSlot(): boolean {
    return this.#runs.size < this.#slots;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** A run that is about to end, with nothing to follow it. */
  ending(): Run<Item, Result> | undefined {
    for (const run of this.#runs) if (run.isEnding && !run.next && !run.halved) return run;
    return undefined;
  }

  /**
   * Time until a run of the model can start, or of any model, in milliseconds. A run that takes longer than it should is
   * taken to need as long again as it is late: one that hangs must not look about to end for ever.
   */
  untilFree(now: number, lane?: Lane<Item, Result>): number {
    if (lane ? lane.hasFreeInstance : this.hasFreeSlot) return 0;
    let soonest = Number.POSITIVE_INFINITY;
    for (const run of this.#runs) {
      const followedMs = run.next?.expectedMs ?? 0;
      if (!lane || run.lane === lane) soonest = Math.min(soonest, Math.abs(run.expectedEnd - now) + followedMs);
    }
    return soonest;
  }

  /** @param follows what it begins after, a run of the same model; without it, it begins now and takes a slot */
  start(lane: Lane<Item, Result>, entries: readonly Entry<Item, Result>[], follows?: Run<Item, Result>): void {
    const now = this.#clock.now();
    const rows = entries.reduce((sum, entry) => sum + entry.submission.rows, 0);
    const expectedMs = lane.settings.costs.expectedMs(entries[0]?.submission.bucket ?? "", rows, now);
    const place = follows?.place ?? { endedAt: now };
    const run: Run<Item, Result> = {
      ...{ lane, entries, place, expectedMs, follows },
      ...{ expectedEnd: 0, next: undefined, forgetTimer: undefined, isEnding: false, halved: false, onSlot: undefined },
    };
    if (follows) follows.next = run;
    else this.#occupy(run);
    for (const entry of entries) {
      entry.state = "running";
      lane.runningItems += entry.waiters.length;
    }
    void this.#run(run, entries, true).finally(() => {
      this.#finish(run);
      lane.reportIfEmpty();
    });
  }

  #occupy(run: Run<Item, Result>): void {
    run.follows = undefined;
    run.expectedEnd = this.#clock.now() + run.expectedMs;
    this.#runs.add(run);
    run.lane.runs++;
    if (run.expectedMs >= SHORTEST_MS) {
      run.forgetTimer = this.#clock.schedule(run.expectedMs - AHEAD_MS, () => {
        run.isEnding = true;
        this.#onFree();
      });
    }
    run.onSlot?.();
    run.onSlot = undefined;
  }

  #vacate(run: Run<Item, Result>): boolean {
    if (!this.#runs.delete(run)) return false;
    run.forgetTimer?.();
    run.lane.runs--;
    return true;
  }

  /** A run that failed waits for the one that was handed over behind it, which has begun by now. */
  #letPass(run: Run<Item, Result>): Promise<void> | undefined {
    const { next } = run;
    if (!next) return undefined;
    run.next = undefined;
    this.#vacate(run);
    this.#occupy(next);
    next.next = run;
    run.follows = next;
    return new Promise((resolve) => {
      run.onSlot = resolve;
    });
  }

  /** Callers whose time has run out are no longer made to wait; the run itself cannot be stopped. */
  expire(now: number): void {
    for (const { lane, entries, follows } of this.#all()) {
      for (const entry of entries) {
        // One that has not begun must still be able to end in time.
        const runMs = follows ? entry.aloneMs : 0;
        if (entry.state !== "running" || entry.deadline - runMs > now) continue;
        const due = entry.waiters.filter((waiter) => waiter.deadline - runMs <= now);
        if (follows) lane.counts.expired += due.length;
        else lane.counts.late += due.length;
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
    for (const { follows, entries, place } of this.#all()) {
      // Nothing runs for somebody who left before it began: the others are queued again.
      if (follows && entries.includes(entry)) lane.settings.executor.takeBack(place);
    }
    lane.reportIfEmpty();
  }

  /** The next moment at which a caller's time runs out; infinity when nothing runs. */
  earliestDeadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { entries, follows } of this.#all()) {
      for (const entry of entries) {
        const runMs = follows ? entry.aloneMs : 0;
        if (entry.state === "running") earliest = Math.min(earliest, entry.deadline - runMs);
      }
    }
    return earliest;
  }

  *#all(): Iterable<Run<Item, Result>> {
    for (const run of this.#runs) {
      yield run;
      if (run.next) yield run.next;
    }
  }

  #finish(run: Run<Item, Result>): void {
    // It never had a slot: it was taken back, or nobody was left to run it for.
    if (run.follows) run.follows.next = undefined;
    run.follows = undefined;
    if (!this.#vacate(run)) return;
    if (run.next) this.#occupy(run.next);
    else this.#onFree();
  }

  /**
   * Runs a batch; one that fails is halved and run again, so that only the items that cannot be run fail.
   *
   * @param isLast whether the slot is free after it
   */
  async #run(run: Run<Item, Result>, given: readonly Entry<Item, Result>[], isLast: boolean): Promise<void> {
    const { lane, place } = run;
    const { executor, costs } = lane.settings;
    const handedAt = this.#clock.now();
    const batch = given.filter((entry) => this.#isWorthRunning(lane, entry, handedAt));
    const [first] = batch;
    if (!first) return;
    const { bucket } = first.submission;
    const rows = batch.reduce((sum, entry) => sum + entry.submission.rows, 0);
    if (!run.follows) run.expectedEnd = handedAt + costs.expectedMs(bucket, rows, handedAt);
    let startedAt = handedAt;
    const ended = (): number => {
      const now = this.#clock.now();
      startedAt = Math.max(handedAt, place.endedAt);
      place.endedAt = now;
      return now;
    };
    try {
      const items = batch.map((entry) => entry.submission.item);
      const outcomes = await executor.run(items, place);
      const endedAt = ended();
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
      ended();
      if (error instanceof TakenBack) {
        this.#finish(run);
        return this.#onTakenBack(
          lane,
          batch.filter(({ state }) => state === "running"),
        );
      }
      if (batch.length === 1) return fail(lane, first, error instanceof Error ? error : new Error(String(error)));
      lane.counts.bisected++;
      run.halved = true;
      await this.#letPass(run);
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
