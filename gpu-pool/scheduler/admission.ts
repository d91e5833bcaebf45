/** Whether a request is taken in: only if it can be finished in time, and only while there is room for it. */

export interface QueueLimits {
  /** Device time that may wait ahead of a request, in milliseconds. */
  readonly maxQueueMs: number;
  readonly maxQueueItems: number;
  readonly maxQueueBytes: number;
}

/** What is known about the queue, as seen by one new request. */
export interface AdmissionView {
  /** Time until the request would start, in milliseconds: what runs now, then everything that goes before it. */
  readonly waitMs: number;
  /** Of that, what is queued. */
  readonly aheadMs: number;
  /** Time of the batch that it would run in, as rarely exceeded. */
  readonly runMs: number;
  /** How far the prediction of the wait may be off, as rarely exceeded. */
  readonly marginMs: number;
  /** Time that the caller allows. */
  readonly budgetMs: number;
  readonly bytes: number;
  /** Whether it can go before others without making one of them late. */
  readonly harmless: boolean;
  /** Index into PRIORITY_CLASSES. */
  readonly level: number;
  readonly queued: Queued;
  readonly queuedByTenant: Queued;
}

export interface Queued {
  readonly items: number;
  readonly bytes: number;
  readonly queuedMs: number;
}

export type Refusal = "overloaded" | "deadline_unreachable";

/** Part of each limit that a class may fill, so that a flood of one class leaves room for the ones above it. */
const CLASS_SHARE = [1, 0.9, 0.7, 0.5];

/**
 * A tenant may hold this many times what is still free (dynamic thresholds, Choudhury and Hahne, 1998): one alone fills
 * four fifths of a limit, two get four ninths each, and there is always room for the next one.
 */
const TENANT_TIMES_FREE = 4;

/** Time from the end of a run until its answers are on the wire; at most this part of the caller's budget. */
const REPLY_MS = 4;
const REPLY_SHARE = 0.1;

/** @returns why the request must be refused at once; undefined when it is taken in */
export function refusalOf(view: AdmissionView, limits: QueueLimits): Refusal | undefined {
  const { queued, queuedByTenant: own, budgetMs } = view;
  const share = CLASS_SHARE[view.level] ?? 1;
  const over = (used: number, mine: number, added: number, limit: number) =>
    used + added > limit * share || mine + added > (limit - used) * TENANT_TIMES_FREE;
  if (over(queued.items, own.items, 1, limits.maxQueueItems)) return "overloaded";
  if (queued.items > 0 && over(queued.bytes, own.bytes, view.bytes, limits.maxQueueBytes)) return "overloaded";
  // A device with nothing queued takes the next one, however long it runs.
  if (view.aheadMs > limits.maxQueueMs * share) return "overloaded";
  const replyMs = Math.min(REPLY_MS, budgetMs * REPLY_SHARE);
  if (view.waitMs + view.marginMs + view.runMs + replyMs > budgetMs) return "deadline_unreachable";
  return view.harmless ? undefined : "overloaded";
}

/**
 * When to try again, in whole seconds: the time until the queue has drained, spread so that those who were refused
 * together do not come back together.
 *
 * @param random from 0 up to but not including 1
 */
export function retryAfterSeconds(drainMs: number, random: number): number {
  const drain = Math.max(1, Math.ceil(drainMs / 1000));
  return drain + Math.floor(random * (drain + 1));
}
