/** Whether an idle device should wait for more rows before it starts, for models that declare a delay. */
import type { CostModel } from "./cost-model.ts";

/** Time constant of the arrival rate, in milliseconds. */
const MEMORY_MS = 200;

/** Rows a millisecond, as an exponentially decaying count. */
export class ArrivalRate {
  #count = 0;
  #at = 0;

  arrived(rows: number, now: number): void {
    this.#count = this.#decayed(now) + rows;
    this.#at = now;
  }

  perMs(now: number): number {
    return this.#decayed(now) / MEMORY_MS;
  }

  #decayed(now: number): number {
    return this.#count * Math.exp((this.#at - now) / MEMORY_MS);
  }
}

export interface DelayChoice {
  readonly waiting: number;
  /** Moment after which the batch must not wait: declared delay, earliest latest start. */
  readonly until: number;
  readonly arrivalsPerMs: number;
  readonly now: number;
}

/**
 * How long to wait, in milliseconds; 0 to go now. It waits only when enough rows are expected to reach the next allowed
 * size in time and that size is cheaper by row than what is there: waiting for what will not come only adds latency.
 */
export function worthwhileDelay(costs: CostModel, bucket: string, choice: DelayChoice): number {
  const { waiting, until, arrivalsPerMs, now } = choice;
  const next = costs.sizes.find((size) => size > waiting);
  if (next === undefined || until <= now || arrivalsPerMs <= 0) return 0;
  const neededMs = (next - waiting) / arrivalsPerMs;
  if (now + neededMs > until) return 0;
  const perRow = costs.expectedMs(bucket, waiting, now) / waiting;
  return costs.expectedMs(bucket, next, now) / next < perRow ? neededMs : 0;
}
