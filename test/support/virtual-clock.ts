import { setImmediate as settled } from "node:timers/promises";
import type { Clock } from "../../gpu-pool/scheduler/executor.ts";

interface Timer {
  readonly at: number;
  readonly wake: () => void;
}

/** Time that passes only when a test says so. */
export class VirtualClock implements Clock {
  readonly #lastFirst: boolean;
  #now = 0;
  #timers: Timer[] = [];
  #soon: (() => void)[] = [];

  /** @param lastFirst what is due at one moment wakes in the reverse of the order in which it was scheduled */
  constructor(lastFirst = false) {
    this.#lastFirst = lastFirst;
  }

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, wake: () => void): () => void {
    const timer = { at: this.#now + delayMs, wake };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(wake: () => void): void {
    this.#soon.push(wake);
  }

  get timers(): number {
    return this.#timers.length;
  }

  /** Lets `ms` pass: wakes everything that is due, each after what the one before has set off. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await this.#takeIn();
      const next = this.#nextDue(end);
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = end;
  }

  /** Lets `ms` pass while nothing can wake, as when the thread is busy; what is due by then wakes late. */
  async stall(ms: number): Promise<void> {
    this.#now += ms;
    await this.advance(0);
  }

  #nextDue(end: number): Timer | undefined {
    const sooner = (a: Timer, b: Timer) => a.at < b.at || (this.#lastFirst && a.at === b.at);
    const next = this.#timers.reduce<Timer | undefined>(
      (first, timer) => (timer.at <= end && (!first || sooner(timer, first)) ? timer : first),
      undefined,
    );
    this.#timers = this.#timers.filter((timer) => timer !== next);
    return next;
  }

  async #takeIn(): Promise<void> {
    do {
      for (const wake of this.#soon.splice(0)) wake();
      await settled();
    } while (this.#soon.length > 0);
  }
}
