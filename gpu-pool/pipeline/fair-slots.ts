/**
 * Work of many requests on few slots: a slot that is free takes a piece of the next request in turn.
 *
 *     const slots = new FairSlots(3, () => performance.now());
 *     if (slots.expectedMs(pictures.length) <= left) await slots.run(pictures.length, (index) => decode(pictures[index]));
 *
 * Promises: at most `slots` pieces run at once; a request of one piece waits for at most one piece of each other
 * request, however many pieces those have; what could not be done in time can be told before it is begun.
 */

interface Job {
  readonly count: number;
  readonly begin: (index: number) => Promise<void>;
  readonly settle: (error?: unknown) => void;
  next: number;
  running: number;
  failed: boolean;
}

/** Weight of the newest piece in the mean time of one. */
const NEWEST = 0.1;

export class FairSlots {
  readonly #slots: number;
  readonly #now: () => number;
  /** Requests with pieces that have not begun, the one whose turn is next first; one entry a request in flight. */
  readonly #waiting: Job[] = [];
  #running = 0;
  #meanMs = 0;

  constructor(slots: number, now: () => number) {
    this.#slots = slots;
    this.#now = now;
  }

  /** When the last of a new request's pieces is expected to be done; 0 with a slot free, so that it is always tried then. */
  expectedMs(count: number): number {
    if (this.#running < this.#slots) return 0;
    let pieces = this.#running + count;
    for (const job of this.#waiting) pieces += job.failed ? 0 : Math.min(job.count - job.next, count);
    return (pieces * this.#meanMs) / this.#slots;
  }

  /**
   * Runs one request's pieces, 0 to count - 1. When one fails the rest does not begin.
   *
   * @throws whatever the first piece to fail threw, once no piece is running any more
   */
  run(count: number, begin: (index: number) => Promise<void>): Promise<void> {
    if (count === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      let first: { readonly error: unknown } | undefined;
      const job: Job = {
        count,
        begin,
        next: 0,
        running: 0,
        failed: false,
        settle: (error) => {
          job.running--;
          if (error !== undefined && !first) {
            first = { error };
            job.failed = true;
          }
          if (job.running > 0) return;
          if (first) reject(first.error);
          else if (job.next === count) resolve();
        },
      };
      this.#waiting.push(job);
      this.#fill();
    });
  }

  #fill(): void {
    while (this.#running < this.#slots) {
      const job = this.#waiting.shift();
      if (!job) return;
      if (job.failed) continue;
      const index = job.next++;
      if (job.next < job.count) this.#waiting.push(job);
      this.#running++;
      job.running++;
      const startedAt = this.#now();
      const over = (error?: unknown) => {
        this.#running--;
        this.#took(this.#now() - startedAt);
        job.settle(error);
        this.#fill();
      };
      job.begin(index).then(
        () => over(),
        (error: unknown) => over(error ?? new Error("a piece failed without a reason")),
      );
    }
  }

  #took(ms: number): void {
    this.#meanMs = this.#meanMs === 0 ? ms : this.#meanMs + NEWEST * (ms - this.#meanMs);
  }
}
