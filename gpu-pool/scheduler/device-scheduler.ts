/**
 * The scheduler of one device, across all models on it.
 *
 * Promises: a request is either finished inside its deadline or refused at once, as far as the device's times can be
 * predicted; every request that was taken in is answered exactly once, by its deadline; nothing starts after its latest
 * start, and nothing is run that nobody waits for; no more than `slots` runs go on at once; the queue is bounded in
 * predicted milliseconds, items and bytes; a failed batch is halved until the item that the model cannot take fails
 * alone; identical requests share one run.
 *
 * It never waits for a batch to fill unless a model declares a delay: while runs go on, arrivals gather; when a slot is
 * free, the best batch goes at once. Worst case: a request waits for the run that goes on, then for what `admission.ts`
 * counted ahead of it, and leaves with `deadline_exceeded` at its latest start if the prediction was wrong.
 *
 *     const device = new DeviceScheduler<Work, Prediction>(clock, settings);
 *     const lane = device.addLane({ executor, costs, largestBatch: 64, instances: 1, maxDelayMs: 0 });
 *     const { result, cancel } = device.submit(lane, { item, rows: 1, bucket: "64", deadline: clock.now() + 100, ... });
 */
import { importanceOf } from "../../shared/control/importance.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import { type QueueLimits, type Refusal, refusalOf, retryAfterSeconds } from "./admission.ts";
import { AdmissionLevel } from "./admission-level.ts";
import { Alarm } from "./alarm.ts";
import { worthwhileDelay } from "./batch-delay.ts";
import { BatchFormer, type First } from "./batch-former.ts";
import type { BatchQueue } from "./batch-queue.ts";
import { chooseBatchRows } from "./batch-size.ts";
import { ClassUsage } from "./class-usage.ts";
import { DeviceQueue } from "./device-queue.ts";
import {
  callerGone,
  type Entry,
  earliestDeadline,
  expired,
  newWaiter,
  type Submission,
  type Ticket,
  type Waiter,
} from "./entry.ts";
import type { Clock } from "./executor.ts";
import { Lane, type LaneSettings } from "./lane.ts";
import { type Run, RunningBatches } from "./running-batches.ts";

const DEFAULT_LEVEL = PRIORITY_CLASSES.indexOf("default");
/** How many times the spread of one run is allowed for: fewer make admitted requests late, more leave the queue short. */
const MARGIN_SPREADS = 1.5;

export interface SchedulerSettings extends QueueLimits {
  /** Runs that the device takes at once. */
  readonly slots: number;
  /** Mean queueing time up to which the admission level never falls, in milliseconds. */
  readonly overloadedWaitMs: number;
  /** A tenant's weight in sharing the device, above 0. */
  readonly weightOf: (tenant: string) => number;
  /** From 0 up to but not including 1. */
  readonly random: () => number;
  /** Wall-clock time in milliseconds since 1970. */
  readonly epochMs: () => number;
}

/** What callers are told about the device with every reply. */
export interface DeviceLoad {
  /** Time that a request of the default class would wait now, in milliseconds. */
  readonly waitMs: number;
  /** Up to which importance requests should be sent, 1 to 512 with a fraction; see shared/control/importance.ts. */
  readonly admissionLevel: number;
  readonly slots: number;
}

export class DeviceScheduler<Item, Result> {
  readonly #clock: Clock;
  readonly #settings: SchedulerSettings;
  readonly #lanes = new Set<Lane<Item, Result>>();
  readonly #queue: DeviceQueue<Item, Result>;
  readonly #former: BatchFormer<Item, Result>;
  readonly #level: AdmissionLevel;
  readonly #usage: ClassUsage;
  readonly #alarm: Alarm;
  readonly #running: RunningBatches<Item, Result>;
  #sequence = 0;
  #dispatchPlanned = false;
  #delayed: (() => void) | undefined;

  constructor(clock: Clock, settings: SchedulerSettings) {
    this.#clock = clock;
    this.#settings = settings;
    this.#queue = new DeviceQueue(settings.weightOf);
    this.#former = new BatchFormer(this.#queue.shares, settings.slots);
    this.#running = new RunningBatches(
      clock,
      settings.slots,
      () => this.#dispatch(),
      (lane, entries) => this.#queueAgain(lane, entries),
    );
    this.#level = new AdmissionLevel(settings.overloadedWaitMs);
    this.#usage = new ClassUsage(settings.slots);
    this.#alarm = new Alarm(clock, () => {
      this.#expire();
      return this.#nextExpiry();
    });
  }

  addLane(settings: LaneSettings<Item, Result>): Lane<Item, Result> {
    const lane = new Lane(settings);
    this.#lanes.add(lane);
    return lane;
  }

  /** Takes a model off the device once everything submitted for it has been answered. */
  async removeLane(lane: Lane<Item, Result>): Promise<void> {
    if (!lane.isEmpty) await new Promise<void>((resolve) => lane.whenEmpty.push(resolve));
    this.#lanes.delete(lane);
  }

  get load(): DeviceLoad {
    const now = this.#clock.now();
    const queuedMs = this.#queue.queuedMs(DEFAULT_LEVEL);
    return {
      waitMs: this.#running.untilFree(now) + queuedMs / this.#settings.slots,
      admissionLevel: this.#level.level,
      slots: this.#settings.slots,
    };
  }

  /** What the next request of a tenant would wait, of the default class, in milliseconds: by its turn, if that is sooner. */
  waitMsOf(tenant: string): number {
    const now = this.#clock.now();
    return this.#running.untilFree(now) + this.#queue.aheadOf(DEFAULT_LEVEL, tenant) / this.#settings.slots;
  }

  get queuedItems(): number {
    return this.#queue.items;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get running(): number {
    return this.#running.size;
  }

  /**
   * Takes an item in.
   *
   * @throws WarmgateError `batch_too_large`; `overloaded` or `deadline_unreachable`, both with the time after which to
   * try again; nothing was queued then
   */
  submit(lane: Lane<Item, Result>, submission: Submission<Item>): Ticket<Result> {
    const { rows, tenant } = submission;
    const { largestBatch } = lane.settings;
    const now = this.#clock.now();
    const level = PRIORITY_CLASSES.indexOf(submission.priority);
    this.#level.arrived(importanceOf(level, tenant, this.#settings.epochMs()), now);
    if (rows > largestBatch) {
      throw new WarmgateError(
        "batch_too_large",
        `the batch has ${rows} rows; the largest this model takes is ${largestBatch}`,
      );
    }
    const joined = this.#join(lane, submission, now);
    if (joined) return joined;
    const refusal = this.#refusal(lane, submission, level, now);
    if (refusal) throw this.#refuse(lane, refusal, now);

    const { deadline } = submission;
    const waiter = newWaiter<Result>(deadline, now);
    const aloneMs = this.#aloneMs(lane, submission.bucket, rows, now);
    const entry: Entry<Item, Result> = {
      submission,
      level,
      sequence: this.#sequence++,
      deadline,
      aloneMs,
      latestStart: deadline - aloneMs,
      submittedAt: now,
      costMs: lane.addedMs(submission.bucket, rows, now),
      state: "queued",
      waiters: [waiter],
    };
    lane.counts.admitted++;
    lane.arrivals.arrived(rows, now);
    this.#queue.add(lane, entry);
    if (submission.digest !== undefined) lane.byDigest.set(submission.digest, entry);
    this.#planDispatch();
    this.#alarm.setFor(entry.latestStart);
    return { result: waiter.result, cancel: () => this.#cancel(lane, entry, waiter) };
  }

  /** Joins the run of an identical item, if that is sure to answer in time and not with less importance. */
  #join(lane: Lane<Item, Result>, submission: Submission<Item>, now: number): Ticket<Result> | undefined {
    const { digest, deadline } = submission;
    const entry = digest === undefined ? undefined : lane.byDigest.get(digest);
    if (!entry || deadline < entry.deadline) return undefined;
    if (entry.state === "queued" && PRIORITY_CLASSES.indexOf(submission.priority) < entry.level) return undefined;
    const waiter = newWaiter<Result>(deadline, now);
    entry.waiters.push(waiter);
    lane.counts.admitted++;
    lane.counts.merged++;
    if (entry.state === "running") {
      lane.runningItems++;
      this.#alarm.setFor(deadline);
    }
    return { result: waiter.result, cancel: () => this.#cancel(lane, entry, waiter) };
  }

  #refusal(lane: Lane<Item, Result>, submission: Submission<Item>, level: number, now: number): Refusal | undefined {
    const { slots } = this.#settings;
    const { bucket, rows, bytes, tenant, deadline } = submission;
    const { costs, largestBatch, instances } = lane.settings;
    const freeIn = this.#running.untilFree(now);
    const aloneMs = this.#aloneMs(lane, bucket, rows, now);
    const place = this.#queue.placeOf(level, tenant, deadline - aloneMs, lane.addedMs(bucket, rows, now), {
      startAt: now + freeIn,
      aloneMs,
      batchMs: costs.expectedMs(bucket, largestBatch, now),
      slots,
    });
    // While it waits, more will come of the classes above.
    const share = 1 - this.#usage.above(level, now);
    const waitBehind = (besideMs: number) => {
      const ahead = Math.max(0, place.aheadMs - besideMs);
      // A model with fewer instances than the device has slots waits for its own runs.
      const ownAhead = Math.min(ahead, Math.max(0, lane.queuedMs(bucket, 0, now) - besideMs));
      const onDevice = ahead / (slots * share);
      const waitMs = Math.max(freeIn + onDevice, this.#running.untilFree(now, lane) + ownAhead / instances);
      return { aheadMs: onDevice, waitMs };
    };
    // What it will run together with is part of its own run, not ahead of it, unless that would make the others late.
    const beside = lane.rowsBeside(bucket, rows);
    const together = waitBehind(beside === 0 ? 0 : costs.expectedMs(bucket, beside, now));
    const joining = Math.floor(lane.arrivals.perMs(now) * together.waitMs);
    const togetherMs = costs.boundMs(bucket, Math.min(largestBatch, beside + rows + joining), now);
    const firstDeadline = lane.queues.get(bucket)?.earliestDeadlineBeside(level, tenant, beside);
    const fits = beside === 0 || now + together.waitMs + togetherMs <= (firstDeadline ?? Number.POSITIVE_INFINITY);
    const { waitMs, aheadMs } = fits ? together : waitBehind(0);
    const runRows = Math.min(largestBatch, (fits ? beside : 0) + rows + joining);
    const runMs = this.#isIdle(lane) ? aloneMs : costs.boundMs(bucket, runRows, now);
    const fullMs = costs.expectedMs(bucket, largestBatch, now);
    const spreadMs = costs.boundMs(bucket, largestBatch, now) - fullMs;
    return refusalOf(
      {
        waitMs,
        aheadMs,
        runMs,
        // The errors of independent runs add up as their squares do.
        marginMs: fullMs === 0 ? 0 : MARGIN_SPREADS * spreadMs * Math.sqrt(aheadMs / fullMs),
        budgetMs: deadline - now,
        bytes,
        harmless: place.harmless,
        level,
        queued: this.#queue.queued,
        queuedByTenant: this.#queue.queuedBy(level, tenant),
      },
      this.#settings,
    );
  }

  #isIdle(lane: Lane<Item, Result>): boolean {
    return this.#queue.items === 0 && this.#running.hasFreeSlot && lane.hasFreeInstance;
  }

  /**
   * What a run of this item alone is reckoned to take. On an idle device, the least that one ever took: it is tried even
   * if the last runs were slow, for if it were refused nothing would ever show that they are quick again.
   */
  #aloneMs(lane: Lane<Item, Result>, bucket: string, rows: number, now: number): number {
    const { costs } = lane.settings;
    return this.#isIdle(lane) ? costs.leastMs(bucket, rows) : costs.boundMs(bucket, rows, now);
  }

  #refuse(lane: Lane<Item, Result>, refusal: Refusal, now: number): WarmgateError {
    const drainMs = this.#running.untilFree(now) + this.#queue.queued.queuedMs / this.#settings.slots;
    const again = { retryAfterSeconds: retryAfterSeconds(drainMs, this.#settings.random()) };
    if (refusal === "overloaded") {
      lane.counts.refusedOverloaded++;
      return new WarmgateError("overloaded", "the device has more work than it can finish in time", again);
    }
    lane.counts.refusedUnreachable++;
    return new WarmgateError(
      "deadline_unreachable",
      "the answer could not be ready within the time allowed; nothing was run",
      again,
    );
  }

  #planDispatch(): void {
    if (this.#dispatchPlanned || !(this.#running.hasFreeSlot || this.#running.ending())) return;
    this.#dispatchPlanned = true;
    this.#clock.soon(() => {
      this.#dispatchPlanned = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    this.#expire();
    const now = this.#clock.now();
    const passedOver = new Set<BatchQueue<Item, Result>>();
    let soonest = Number.POSITIVE_INFINITY;
    while (this.#running.hasFreeSlot) {
      const candidates = [...this.#lanes].flatMap((lane) =>
        lane.hasFreeInstance ? [...lane.queues.values()].map((queue) => ({ lane, queue })) : [],
      );
      const queues = candidates.flatMap(({ queue }) => (passedOver.has(queue) ? [] : [queue]));
      const first = this.#former.first(queues, now);
      const lane = candidates.find(({ queue }) => queue === first?.queue)?.lane;
      if (!first || !lane) break;
      const delayMs = this.#delay(lane, first, now);
      if (delayMs > 0) {
        soonest = Math.min(soonest, delayMs);
        passedOver.add(first.queue);
      } else this.#start(lane, first, now);
    }
    this.#handAhead(now);
    this.#delayed?.();
    this.#delayed =
      soonest < Number.POSITIVE_INFINITY ? this.#clock.schedule(soonest, () => this.#dispatch()) : undefined;
  }

  /**
   * Hands over the batch that will run when a run about to end has ended, if nothing that may still come could make it a better
   * one: it is full, and of the model whose turn it is.
   */
  #handAhead(now: number): void {
    const ending = this.#running.hasFreeSlot ? undefined : this.#running.ending();
    if (!ending) return;
    const { lane } = ending;
    const lanes = [...this.#lanes].filter((one) => one === lane || one.hasFreeInstance);
    const first = this.#former.first(
      lanes.flatMap((one) => [...one.queues.values()]),
      now,
    );
    const { largestBatch } = lane.settings;
    if (!first || first.queue.rows < largestBatch || lane.queues.get(first.queue.bucket) !== first.queue) return;
    const startAt = Math.max(now, ending.expectedEnd);
    if (this.#batchRows(lane, first, startAt) === largestBatch) this.#start(lane, first, startAt, ending);
  }

  #delay(lane: Lane<Item, Result>, { entry, queue }: First<Item, Result>, now: number): number {
    const { maxDelayMs, costs, largestBatch } = lane.settings;
    if (maxDelayMs === 0 || queue.rows >= largestBatch) return 0;
    const lastStart = entry.deadline - costs.boundMs(queue.bucket, largestBatch, now);
    const until = Math.min(entry.submittedAt + maxDelayMs, lastStart);
    const arrivalsPerMs = lane.arrivals.perMs(now);
    return worthwhileDelay(costs, queue.bucket, { waiting: queue.rows, until, arrivalsPerMs, now });
  }

  /**
   * How many rows the next batch has; 0 when the item that would go first must be given up.
   *
   * An item whose time is nearly up can only go in a small batch, which costs the device more time a row. Where those
   * behind it can spare that time, it gets it. Where they cannot, as under overload, a small batch would make the next
   * ones late, which would make the next batch small in turn: goodput would collapse. Then the item is given up (the
   * early drop of Nexus, SOSP 2019).
   */
  #batchRows(lane: Lane<Item, Result>, { entry, queue }: First<Item, Result>, now: number): number {
    const { costs, largestBatch } = lane.settings;
    const choice = { waiting: queue.rows, first: entry.submission.rows, largest: largestBatch, now };
    const best = chooseBatchRows(costs, queue.bucket, { ...choice, budgetMs: Number.POSITIVE_INFINITY });
    const inTime = chooseBatchRows(costs, queue.bucket, { ...choice, budgetMs: entry.deadline - now });
    return inTime === best || this.#affordable(lane, entry, best, inTime, now) ? inTime : 0;
  }

  /** Whether the items behind one stay in time if a batch of `from` rows becomes one of `to` for its sake. */
  #affordable(lane: Lane<Item, Result>, entry: Entry<Item, Result>, from: number, to: number, now: number): boolean {
    const { costs } = lane.settings;
    const { bucket } = entry.submission;
    const extraMs = costs.expectedMs(bucket, to, now) - (to * costs.expectedMs(bucket, from, now)) / from;
    const { level, latestStart, aloneMs } = entry;
    const batchMs = costs.boundMs(bucket, from, now);
    const { slots } = this.#settings;
    return this.#queue.canSpare(level, latestStart, extraMs, { startAt: now, aloneMs, batchMs, slots });
  }

  /** @param follows the run that it begins after, at `now`; without it, it begins at once */
  #start(lane: Lane<Item, Result>, first: First<Item, Result>, now: number, follows?: Run<Item, Result>): void {
    const { costs } = lane.settings;
    const { entry, queue } = first;
    const rows = this.#batchRows(lane, first, now);
    if (rows === 0) {
      lane.counts.expired += entry.waiters.length;
      this.#dismiss(lane, entry, new Set(entry.waiters), expired());
      return;
    }
    const batch = this.#former.fill(first, rows, costs, now, (one, from, to) =>
      this.#affordable(lane, one, from, to, now),
    );
    const perRowMs = costs.expectedMs(queue.bucket, rows, now) / rows;
    for (const one of batch) {
      this.#queue.remove(lane, one);
      this.#usage.used(one.level, one.submission.rows * perRowMs, now);
      const affordableMs = Math.min(one.latestStart - one.submittedAt, this.#settings.maxQueueMs);
      this.#level.waited(now - one.submittedAt, Math.max(0, affordableMs));
      this.#alarm.setFor(one.deadline);
      if (one.waiters.length === 0 || one.deadline <= now) lane.counts.deadWork += one.submission.rows;
    }
    this.#former.started(first, costs.expectedMs(queue.bucket, rows, now));
    this.#running.start(lane, batch, follows);
  }

  #queueAgain(lane: Lane<Item, Result>, entries: readonly Entry<Item, Result>[]): void {
    for (const entry of entries) {
      entry.state = "queued";
      lane.runningItems -= entry.waiters.length;
      entry.latestStart = entry.deadline - entry.aloneMs;
      this.#queue.add(lane, entry);
      this.#alarm.setFor(entry.latestStart);
    }
    this.#planDispatch();
  }

  #cancel(lane: Lane<Item, Result>, entry: Entry<Item, Result>, waiter: Waiter<Result>): void {
    if (!entry.waiters.includes(waiter)) return;
    lane.counts.cancelled++;
    this.#dismiss(lane, entry, new Set([waiter]), callerGone());
  }

  /** Answers what can no longer be answered in time: waiting items leave the queue, running ones stop being waited for. */
  #expire(): void {
    const now = this.#clock.now();
    for (const lane of this.#lanes) {
      for (const queue of lane.queues.values()) {
        for (const entry of queue.overdue(now)) {
          const due = new Set(entry.waiters.filter((waiter) => waiter.deadline - entry.aloneMs <= now));
          lane.counts.expired += due.size;
          this.#dismiss(lane, entry, due, expired());
        }
      }
    }
    this.#running.expire(now);
  }

  /** Answers some callers of an entry with an error; the entry goes with the last of them. */
  #dismiss(
    lane: Lane<Item, Result>,
    entry: Entry<Item, Result>,
    leaving: ReadonlySet<Waiter<Result>>,
    error: Error,
  ): void {
    if (entry.state === "running") {
      this.#running.dismiss(lane, entry, leaving, error);
      return;
    }
    const staying = entry.waiters.filter((waiter) => !leaving.has(waiter));
    this.#queue.remove(lane, entry);
    if (staying.length === 0) lane.end(entry);
    else {
      entry.waiters = staying;
      entry.deadline = earliestDeadline(staying);
      entry.latestStart = entry.deadline - entry.aloneMs;
      this.#queue.add(lane, entry);
      this.#alarm.setFor(entry.latestStart);
    }
    for (const waiter of leaving) waiter.reject(error);
    lane.reportIfEmpty();
  }

  /** The next moment at which somebody's time runs out; infinity when nobody waits. */
  #nextExpiry(): number {
    let next = this.#running.earliestDeadline();
    for (const lane of this.#lanes) {
      for (const queue of lane.queues.values()) next = Math.min(next, queue.earliestLatestStart());
    }
    return next;
  }
}
