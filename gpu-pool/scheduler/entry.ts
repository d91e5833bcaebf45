/** What waits for the device: one row group of a batch, and everybody who waits for its answer. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { PriorityClass } from "../../shared/protocol/priority.ts";

export interface Submission<Item> {
  readonly item: Item;
  /** Rows of the batch dimension that the item takes, at least 1. */
  readonly rows: number;
  /** Memory that the item holds while it waits, in bytes. */
  readonly bytes: number;
  /** Items are run together only when their buckets are equal: the shapes behind the batch dimension, padded. */
  readonly bucket: string;
  readonly priority: PriorityClass;
  /** Who shares the device fairly; "" where nobody is told apart. */
  readonly tenant: string;
  /** When the answer is of no more use, on the clock's scale. */
  readonly deadline: number;
  /** Equal for items that must get equal answers, so that one run can serve them; undefined is equal to nothing. */
  readonly digest?: string | undefined;
}

export interface Answer<Result> {
  readonly result: Result;
  /** Time between submission and the start of the batch, in milliseconds; 0 for one that joined a running batch. */
  readonly queuedMs: number;
  /** Rows of the batch in which the item ran. */
  readonly batchRows: number;
  /** This item's part of the device time of its batch, in milliseconds; 0 when another one's run answered it. */
  readonly deviceMs: number;
}

/** An item's way out for a caller that has gone. */
export interface Ticket<Result> {
  readonly result: Promise<Answer<Result>>;
  /** Takes the item out of the queue, or stops waiting for its run; without effect once it is answered. */
  cancel(): void;
}

/** One caller of an entry. */
export interface Waiter<Result> {
  readonly deadline: number;
  readonly since: number;
  readonly resolve: (answer: Answer<Result>) => void;
  readonly reject: (error: Error) => void;
}

export type EntryState = "queued" | "running" | "over";

export interface Entry<Item, Result> {
  readonly submission: Submission<Item>;
  /** Index into PRIORITY_CLASSES. */
  readonly level: number;
  /** Order of arrival; makes every order total. */
  readonly sequence: number;
  /** When its answer is of no more use to the first of its callers to run out of time. */
  deadline: number;
  /** What a run of this item alone is reckoned to take, in milliseconds. */
  readonly aloneMs: number;
  /** `deadline` less `aloneMs`: the last moment at which a run of this item alone would still end in time. The earliest of its callers decides. */
  latestStart: number;
  readonly submittedAt: number;
  /** Device time that it adds to what is queued, in milliseconds. */
  readonly costMs: number;
  state: EntryState;
  /** Callers not yet answered; the one who asked first at the front. Empty only when the entry is over. */
  waiters: Waiter<Result>[];
}

export function newWaiter<Result>(
  deadline: number,
  since: number,
): Waiter<Result> & { readonly result: Promise<Answer<Result>> } {
  const { promise, resolve, reject } = Promise.withResolvers<Answer<Result>>();
  return { deadline, since, resolve, reject, result: promise };
}

/** Before: negative; the more urgent one first, the earlier one of equals. */
export function byUrgency(a: Entry<unknown, never>, b: Entry<unknown, never>): number {
  return a.latestStart - b.latestStart || a.sequence - b.sequence;
}

export function earliestDeadline(waiters: readonly Waiter<never>[]): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const waiter of waiters) earliest = Math.min(earliest, waiter.deadline);
  return earliest;
}

export function expired(): WarmgateError {
  return new WarmgateError("deadline_exceeded", "the time budget ran out before the model could answer");
}

export function callerGone(): WarmgateError {
  return new WarmgateError("deadline_exceeded", "the caller has gone");
}
