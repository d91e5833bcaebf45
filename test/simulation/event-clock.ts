import { setImmediate as settled } from "node:timers/promises";
import type { Clock } from "../../gpu-pool/scheduler/executor.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
  cancelled: boolean;
}

/** Simulated time: it jumps from one event to the next. Events of one moment happen in the order they were scheduled in. */
export class EventClock implements Clock {
  #now = 0;
  #order = 0;
  /** A binary heap, the soonest at the front. */
  readonly #heap: Timer[] = [];
  #soon: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, wake: () => void): () => void {
    const timer: Timer = { at: this.#now + delayMs, order: this.#order++, wake, cancelled: false };
    this.#push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  soon(wake: () => void): void {
    this.#soon.push(wake);
  }

  /**
   * Lets time pass until nothing is left to happen.
   *
   * @param arrivals moments from outside, ascending, and what happens at each; between them nothing has to be awaited,
   * which is what makes minutes pass in a second
   */
  async run(arrivals: Iterator<{ readonly at: number; readonly happen: () => void }>): Promise<void> {
    let arrival = arrivals.next();
    for (;;) {
      const timer = this.#heap[0];
      if (!arrival.done && (!timer || arrival.value.at <= timer.at)) {
        this.#now = arrival.value.at;
        arrival.value.happen();
        arrival = arrivals.next();
      } else if (timer) {
        this.#pop();
        if (timer.cancelled) continue;
        this.#now = timer.at;
        timer.wake();
        // What hangs on promises happens before time moves on.
        await settled();
      } else return;
      while (this.#soon.length > 0) for (const wake of this.#soon.splice(0)) wake();
    }
  }

  /** As `run`, for events that await nothing. Ends at the moment given, whatever is still to happen. */
  runUntil(end: number, arrivals: Iterator<{ readonly at: number; readonly happen: () => void }>): void {
    let arrival = arrivals.next();
    for (;;) {
      const timer = this.#heap[0];
      const next = Math.min(
        arrival.done ? Number.POSITIVE_INFINITY : arrival.value.at,
        timer?.at ?? Number.POSITIVE_INFINITY,
      );
      if (next > end) {
        this.#now = end;
        return;
      }
      this.#now = next;
      if (!arrival.done && arrival.value.at === next) {
        arrival.value.happen();
        arrival = arrivals.next();
      } else if (timer) {
        this.#pop();
        if (!timer.cancelled) timer.wake();
      }
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    heap.push(timer);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || isBefore(above, timer)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const smaller = right && left && isBefore(right, left) ? right : left;
      if (!smaller || isBefore(last, smaller)) break;
      heap[at] = smaller;
      at = smaller === right ? 2 * at + 2 : 2 * at + 1;
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
