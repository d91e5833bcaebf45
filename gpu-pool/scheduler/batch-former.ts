/**
 * Who goes next, and with whom: the order of the device across all models.
 *
 * Priority class first; within a class the tenants' fair share; among the tenants whose turn it may be, the earliest
 * latest start. A class that has waited long may use `AGED_SHARE` of the device ahead of the classes above it, so that
 * it is slowed by them, never stopped. The batch is filled from the same queue in the same order, past items that do
 * not fit.
 */
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import type { BatchQueue } from "./batch-queue.ts";
import { largestInTime } from "./batch-size.ts";
import type { CostModel } from "./cost-model.ts";
import { byUrgency, type Entry } from "./entry.ts";
import { type FairShare, SLACK_MS } from "./fair-share.ts";

const AGED_SHARE = 0.05;
/** Credit of device time that a waiting class can gather, in milliseconds. */
const MAX_CREDIT_MS = 50;
/** Items looked past for one batch. */
const MAX_SKIPPED = 512;

interface Chosen<Item, Result> {
  readonly entry: Entry<Item, Result>;
  readonly queue: BatchQueue<Item, Result>;
}

export interface First<Item, Result> extends Chosen<Item, Result> {
  /** It goes before a higher class that waits, because it has waited long. */
  readonly outOfTurn: boolean;
}

export class BatchFormer<Item, Result> {
  readonly #shares: readonly FairShare[];
  readonly #slots: number;
  /** Device milliseconds that each class may take out of turn; negative when it has taken ahead. */
  readonly #credit = PRIORITY_CLASSES.map(() => 0);
  #creditedAt = 0;

  /** @param shares the tenants' accounts of each class */
  constructor(shares: readonly FairShare[], slots: number) {
    this.#shares = shares;
    this.#slots = slots;
  }

  /** The item that goes first; undefined when nothing waits. */
  first(queues: readonly BatchQueue<Item, Result>[], now: number): First<Item, Result> | undefined {
    this.#giveCredit(now);
    let first: Chosen<Item, Result> | undefined;
    for (let level = 0; level < PRIORITY_CLASSES.length; level++) {
      const chosen = this.#mostUrgent(queues, level);
      if (!chosen) continue;
      if (first === undefined) first = chosen;
      else if ((this.#credit[level] ?? 0) > 0 && isAged(chosen.entry, now)) return { ...chosen, outOfTurn: true };
    }
    return first && { ...first, outOfTurn: false };
  }

  /**
   * The rest of a batch, in order. Where an item could not wait for a batch of that size, the size comes down if that can
   * be afforded; else the item is passed over.
   *
   * @param first what goes first; it stays in its queue, as do the ones chosen
   * @param rows size of the batch, `first` included
   * @param affordable whether a batch of `from` rows may become one of `to` rows for the sake of an item
   */
  fill(
    { entry: first, queue }: First<Item, Result>,
    rows: number,
    costs: CostModel,
    now: number,
    affordable: (entry: Entry<Item, Result>, from: number, to: number) => boolean,
  ): Entry<Item, Result>[] {
    const batch = [first];
    let used = first.submission.rows;
    let size = rows;
    let skipped = 0;
    const perRowMs = costs.expectedMs(queue.bucket, rows, now) / rows;
    const account = ({ level, submission }: Entry<Item, Result>) =>
      this.#shares[level]?.charge(submission.tenant, submission.rows * perRowMs);
    account(first);
    for (let level = 0; level < PRIORITY_CLASSES.length && used < size; level++) {
      const cursors = cursorsOf(queue, level);
      for (;;) {
        const cursor = used < size && skipped < MAX_SKIPPED ? this.#next(cursors, level) : undefined;
        const entry = cursor?.entries[cursor.at];
        if (!cursor || !entry) break;
        cursor.at++;
        if (entry === first) continue;
        const least = used + entry.submission.rows;
        const fits = largestInTime(costs, queue.bucket, size, entry.deadline - now, now);
        if (least > fits || (fits < size && !affordable(entry, size, fits))) {
          skipped++;
          continue;
        }
        size = fits;
        used = least;
        batch.push(entry);
        account(entry);
      }
    }
    return batch;
  }

  /** To be called when a batch has left the queue: a class that went out of turn pays for it. */
  started({ entry, outOfTurn }: First<Item, Result>, costMs: number): void {
    if (outOfTurn) this.#credit[entry.level] = (this.#credit[entry.level] ?? 0) - costMs;
    for (const share of this.#shares) share.advance();
  }

  #mostUrgent(queues: readonly BatchQueue<Item, Result>[], level: number): Chosen<Item, Result> | undefined {
    const cursor = this.#next(
      queues.flatMap((queue) => cursorsOf(queue, level)),
      level,
    );
    const entry = cursor?.entries[0];
    return cursor && entry && { entry, queue: cursor.queue };
  }

  #next(cursors: readonly Cursor<Item, Result>[], level: number): Cursor<Item, Result> | undefined {
    const share = this.#shares[level];
    let least = Number.POSITIVE_INFINITY;
    for (const { tenant, entries, at } of cursors) {
      if (at < entries.length) least = Math.min(least, share?.virtualTime(tenant) ?? 0);
    }
    let best: Cursor<Item, Result> | undefined;
    for (const cursor of cursors) {
      const entry = cursor.entries[cursor.at];
      if (!entry || (share?.virtualTime(cursor.tenant) ?? 0) > least + SLACK_MS) continue;
      const leading = best?.entries[best.at];
      if (!leading || byUrgency(entry, leading) < 0) best = cursor;
    }
    return best;
  }

  #giveCredit(now: number): void {
    const earned = (now - this.#creditedAt) * this.#slots * AGED_SHARE;
    this.#creditedAt = now;
    for (const [level, share] of this.#shares.entries()) {
      const credit = this.#credit[level] ?? 0;
      this.#credit[level] = share.items > 0 ? Math.min(MAX_CREDIT_MS, credit + earned) : Math.min(0, credit + earned);
    }
  }
}

interface Cursor<Item, Result> {
  readonly queue: BatchQueue<Item, Result>;
  readonly tenant: string;
  readonly entries: readonly Entry<Item, Result>[];
  at: number;
}

function cursorsOf<Item, Result>(queue: BatchQueue<Item, Result>, level: number): Cursor<Item, Result>[] {
  return [...queue.tenants(level)].map(([tenant, entries]) => ({ queue, tenant, entries, at: 0 }));
}

/** Half of the time in which it could start has gone. */
function isAged(entry: Entry<unknown, never>, now: number): boolean {
  return now - entry.submittedAt >= (entry.latestStart - entry.submittedAt) / 2;
}
