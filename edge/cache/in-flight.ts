/**
 * Which predictions an isolate is having made, so that identical requests wait for the first one's answer. Only values: a promise made
 * in one request must not be awaited in another on Workers, so those who wait look again after a while.
 */

/** Who has not ended by then has been lost: nobody is to wait for it. */
const LOST_AFTER_MS = 10_000;
/** Beyond them, identical requests each go their own way. */
const MOST = 1_000;
const SHORTEST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 25;

export class InFlight {
  readonly #since = new Map<string, number>();

  /** @returns a word to be given back when the prediction has ended; undefined when another request is having it made */
  begin(key: string, now: number): (() => void) | undefined {
    const since = this.#since.get(key);
    if (since !== undefined && now - since < LOST_AFTER_MS) return undefined;
    if (since === undefined && this.#since.size >= MOST) return () => undefined;
    this.#since.set(key, now);
    return () => {
      if (this.#since.get(key) === now) this.#since.delete(key);
    };
  }
}

/** How long to wait before looking again, after so long: a quarter of it, so that nobody waits much longer than the answer takes. */
export function pauseMs(waitedMs: number): number {
  return Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, waitedMs / 4));
}
