/** Everything that waits for the device, counted the ways in which admission and order ask for it. */
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import type { Queued } from "./admission.ts";
import { DemandCurve, type DemandTest } from "./demand-curve.ts";
import type { Entry } from "./entry.ts";
import { FairShare } from "./fair-share.ts";
import type { Lane } from "./lane.ts";

/** Where a new item would stand. */
export interface Place {
  /** Device milliseconds that go before it. */
  readonly aheadMs: number;
  /** Whether what stands behind it still starts in time. */
  readonly harmless: boolean;
}

export class DeviceQueue<Item, Result> {
  /** The tenants' accounts of each class. */
  readonly shares: readonly FairShare[];
  readonly #demands: readonly DemandCurve[] = PRIORITY_CLASSES.map(() => new DemandCurve());
  #items = 0;
  #bytes = 0;

  constructor(weightOf: (tenant: string) => number) {
    this.shares = PRIORITY_CLASSES.map(() => new FairShare(weightOf));
  }

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get queued(): Queued {
    return { items: this.#items, bytes: this.#bytes, queuedMs: this.queuedMs(PRIORITY_CLASSES.length - 1) };
  }

  queuedBy(level: number, tenant: string): Queued {
    return this.shares[level]?.queuedOf(tenant) ?? { items: 0, bytes: 0, queuedMs: 0 };
  }

  /** Device milliseconds that wait in a class and those above it. */
  queuedMs(level: number): number {
    let sum = 0;
    for (const share of this.shares.slice(0, level + 1)) sum += share.queuedMs;
    return sum;
  }

  add(lane: Lane<Item, Result>, entry: Entry<Item, Result>): void {
    const { tenant, bytes, bucket } = entry.submission;
    lane.queueOf(bucket).add(entry);
    this.shares[entry.level]?.enqueue(tenant, entry.costMs, bytes);
    this.#demands[entry.level]?.add(entry.latestStart, entry.costMs);
    this.#items++;
    this.#bytes += bytes;
  }

  remove(lane: Lane<Item, Result>, entry: Entry<Item, Result>): void {
    const { tenant, bytes, bucket } = entry.submission;
    const queue = lane.queueOf(bucket);
    queue.remove(entry);
    if (queue.items === 0) lane.queues.delete(bucket);
    this.shares[entry.level]?.dequeue(tenant, entry.costMs, bytes);
    this.#demands[entry.level]?.remove(entry.latestStart, entry.costMs);
    this.#items--;
    this.#bytes -= bytes;
  }

  /**
   * Where a new item of a tenant would stand: behind the classes above; in its own class behind what is more urgent, or
   * if the tenant has had its share, behind what the others may have first.
   */
  placeOf(level: number, tenant: string, latestStart: number, costMs: number, test: DemandTest): Place {
    const above = level === 0 ? 0 : this.queuedMs(level - 1);
    const share = this.shares[level];
    const demand = this.#demands[level];
    if (!share || !demand || share.items === 0) return { aheadMs: above, harmless: true };
    const byTurn = share.aheadOf(tenant);
    if (!share.isEligible(tenant)) return { aheadMs: above + byTurn, harmless: true };
    const startAt = test.startAt + above / test.slots;
    const harmless = demand.standsFor(latestStart, costMs, { ...test, startAt });
    return { aheadMs: above + Math.min(byTurn, demand.before(latestStart)), harmless };
  }

  /** Device milliseconds that go before a new item of a tenant that is not urgent: the classes above, then the tenant's turn. */
  aheadOf(level: number, tenant: string): number {
    const above = level === 0 ? 0 : this.queuedMs(level - 1);
    const share = this.shares[level];
    return above + (share === undefined || share.items === 0 ? 0 : share.aheadOf(tenant));
  }

  /**
   * Whether what waits in a class behind an item would still be in time if the device took `extraMs` longer.
   */
  canSpare(level: number, latestStart: number, extraMs: number, test: DemandTest): boolean {
    return this.#demands[level]?.standsFor(latestStart, extraMs, test) ?? true;
  }
}
