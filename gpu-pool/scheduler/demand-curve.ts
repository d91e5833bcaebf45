/**
 * How much device time one priority class must have received by when: queued milliseconds by latest start, in steps of
 * `STEP_MS`. It answers the two questions of admission in earliest-deadline-first order (the processor demand test of
 * Baruah, Rosier and Howell, 1990): what goes before a new item, and would the new item make one that was already
 * admitted late?
 */
const STEP_MS = 5;

export interface DemandTest {
  /** When the device begins with this class, on the clock's scale. */
  readonly startAt: number;
  /** Time between an item's latest start and its deadline. */
  readonly aloneMs: number;
  /** Time of a batch. */
  readonly batchMs: number;
  /** Runs that the device takes at once. */
  readonly slots: number;
}

export class DemandCurve {
  /** Steps that hold anything, ascending, and beside each its queued milliseconds and its items. */
  readonly #steps: number[] = [];
  readonly #queuedMs: number[] = [];
  readonly #items: number[] = [];

  add(latestStart: number, costMs: number): void {
    const step = Math.floor(latestStart / STEP_MS);
    const at = this.#indexOf(step);
    if (this.#steps[at] === step) {
      this.#queuedMs[at] = (this.#queuedMs[at] ?? 0) + costMs;
      this.#items[at] = (this.#items[at] ?? 0) + 1;
    } else {
      this.#steps.splice(at, 0, step);
      this.#queuedMs.splice(at, 0, costMs);
      this.#items.splice(at, 0, 1);
    }
  }

  /** Takes back what was added with the same figures. */
  remove(latestStart: number, costMs: number): void {
    const step = Math.floor(latestStart / STEP_MS);
    const at = this.#indexOf(step);
    if (this.#steps[at] !== step) return;
    const items = (this.#items[at] ?? 0) - 1;
    if (items <= 0) {
      this.#steps.splice(at, 1);
      this.#queuedMs.splice(at, 1);
      this.#items.splice(at, 1);
      return;
    }
    this.#items[at] = items;
    this.#queuedMs[at] = (this.#queuedMs[at] ?? 0) - costMs;
  }

  /** Queued milliseconds that are at least as urgent as an item with this latest start. */
  before(latestStart: number): number {
    const step = Math.floor(latestStart / STEP_MS);
    let sum = 0;
    for (const [at, other] of this.#steps.entries()) {
      if (other > step) break;
      sum += this.#queuedMs[at] ?? 0;
    }
    return sum;
  }

  /**
   * Whether everything less urgent than an item with this latest start would still be finished in time if the device
   * took `extraMs` longer before it. An item is finished when its whole batch is: at the latest one batch after what is
   * as urgent as itself, and never after all that waits.
   */
  standsFor(latestStart: number, extraMs: number, { startAt, aloneMs, batchMs, slots }: DemandTest): boolean {
    const step = Math.floor(latestStart / STEP_MS);
    let total = extraMs;
    for (const queuedMs of this.#queuedMs) total += queuedMs;
    let demand = extraMs;
    for (const [at, other] of this.#steps.entries()) {
      demand += this.#queuedMs[at] ?? 0;
      const finished = Math.min(total, demand + batchMs);
      if (other > step && startAt + finished / slots >= other * STEP_MS + aloneMs) return false;
    }
    return true;
  }

  /** Where a step stands, or would. Most that comes and goes is at the ends, so those are looked at first. */
  #indexOf(step: number): number {
    const last = this.#steps.length - 1;
    if (last < 0 || step > (this.#steps[last] ?? 0)) return last + 1;
    if (step <= (this.#steps[0] ?? 0)) return 0;
    let low = 0;
    let high = last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#steps[middle] ?? 0) < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
