/**
 * How much device time one priority class must have received by when: queued milliseconds by latest start, in steps of
 * `STEP_MS`. It answers the two questions of admission in earliest-deadline-first order (the processor demand test of
 * Baruah, Rosier and Howell, 1990): what goes before a new item, and would the new item make one that was already
 * admitted late?
 */
const STEP_MS = 5;

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
   * Whether everything less urgent than an item with this latest start can still start in time if that item goes first.
   *
   * @param startAt when the device begins with this class, on the clock's scale
   * @param costMs device time of the new item
   * @param slots runs that the device takes at once
   */
  standsFor(latestStart: number, costMs: number, startAt: number, slots: number): boolean {
    const step = Math.floor(latestStart / STEP_MS);
    let demand = costMs;
    for (const [at, other] of this.#steps.entries()) {
      demand += this.#queuedMs[at] ?? 0;
      if (other > step && startAt + demand / slots > other * STEP_MS) return false;
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
