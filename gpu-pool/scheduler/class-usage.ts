/** How much of the device each priority class has used of late: what a lower class must reckon with while it waits. */
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";

/** Time constant, in milliseconds: long against a batch, short against a change of load. */
const MEMORY_MS = 1_000;
/** A class is never told that nothing at all is left for it. */
const MOST = 0.95;

export class ClassUsage {
  readonly #slots: number;
  /** Device milliseconds, decaying. */
  readonly #used = PRIORITY_CLASSES.map(() => 0);
  #at = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** Notes device time given to a class. */
  used(level: number, deviceMs: number, now: number): void {
    const decay = Math.exp((this.#at - now) / MEMORY_MS);
    this.#at = now;
    for (const other of this.#used.keys()) this.#used[other] = (this.#used[other] ?? 0) * decay;
    this.#used[level] = (this.#used[level] ?? 0) + deviceMs;
  }

  /** Part of the device that the classes above this one use, from 0 to 0.95. */
  above(level: number, now: number): number {
    let sum = 0;
    for (const ms of this.#used.slice(0, level)) sum += ms;
    const part = (sum * Math.exp((this.#at - now) / MEMORY_MS)) / (MEMORY_MS * this.#slots);
    return Math.min(MOST, part);
  }
}
