import type { Clock } from "./executor.ts";

/** One timer for any number of moments: set to the earliest that is known, it finds out when it rings which is next. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => number;
  #set: { readonly at: number; readonly cancel: () => void } | undefined;

  /** @param ring does what is due and returns the next moment, or infinity */
  constructor(clock: Clock, ring: () => number) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Makes sure that it rings at `at`, or before. */
  setFor(at: number): void {
    if (this.#set && this.#set.at <= at) return;
    this.#set?.cancel();
    const cancel = this.#clock.schedule(Math.max(0, at - this.#clock.now()), () => {
      this.#set = undefined;
      const next = this.#ring();
      if (next < Number.POSITIVE_INFINITY) this.setFor(next);
    });
    this.#set = { at, cancel };
  }
}
