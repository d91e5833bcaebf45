/**
 * Runs that have ended, taken in at once.
 *
 * A thread's answer comes as an event, behind everything else that the event loop has found. Under a flood that is a
 * hundred requests, each to be read and refused, while the device stands still and finished answers grow late. So who
 * takes in requests asks here first: what is finished comes before what is new. It looks every `INTERVAL_MS` only: runs
 * that are shorter gather more rows meanwhile, and each run has its price on this thread too.
 */
const INTERVAL_MS = 2;

/** A run that goes on. */
export interface Progress {
  /** The model, for the log. */
  readonly model: string;
  readonly runningMs: number;
  /** What a run like it is known to take at most; 0 when nothing is known. */
  readonly boundMs: number;
}

export interface Answering {
  /** Takes in what has been answered, without waiting for the event loop. */
  takeIn(): void;
  /** The run that goes on. */
  progress(now: number): Progress | undefined;
}

export class Completions {
  /** Bounded by the runs that go on at once. */
  readonly #busy = new Set<Answering>();
  readonly now: () => number;
  #lookedAt = 0;

  /** @param now monotonic, in milliseconds */
  constructor(now: () => number) {
    this.now = now;
  }

  began(instance: Answering): void {
    this.#busy.add(instance);
  }

  ended(instance: Answering): void {
    this.#busy.delete(instance);
  }

  /** Takes in every answer that is there. */
  takeIn(): void {
    const now = this.now();
    if (now - this.#lookedAt < INTERVAL_MS) return;
    this.#lookedAt = now;
    for (const instance of this.#busy) instance.takeIn();
  }

  /** The runs that go on, one a thread. */
  *inProgress(): Iterable<Progress> {
    const now = this.now();
    for (const instance of this.#busy) {
      const progress = instance.progress(now);
      if (progress) yield progress;
    }
  }
}
