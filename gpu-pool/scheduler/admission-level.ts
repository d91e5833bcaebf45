/**
 * The admission level: from which importance on a caller should send work at all, told to the edge with every reply.
 *
 * As in DAGOR (Zhou et al., SoCC 2018): when the mean queueing time of a window is over the threshold, the level is cut
 * so that 5 % fewer of the requests last seen would pass, else raised so that 1 % more would.
 * The pool itself does not refuse by level (it predicts, which is exact); the level lets work be dropped before it
 * crosses the world.
 */
import { IMPORTANCES } from "../../shared/control/importance.ts";

const WINDOW_MS = 1_000;
const WINDOW_REQUESTS = 2_000;
const CUT = 0.05;
const RAISE = 0.01;

export class AdmissionLevel {
  readonly #thresholdMs: number;
  #level = IMPORTANCES;
  #seen = new Uint32Array(IMPORTANCES);
  #requests = 0;
  #waits = 0;
  #waitedMs = 0;
  #windowStart = 0;

  /** @param thresholdMs mean queueing time above which the device counts as overloaded */
  constructor(thresholdMs: number) {
    this.#thresholdMs = thresholdMs;
  }

  /** Requests whose importance is below this should be sent: from 1 (only the most important) to 512 (all). */
  get level(): number {
    return this.#level;
  }

  /** Notes a request, whether it is taken or refused. */
  arrived(importance: number, now: number): void {
    this.#seen[importance] = (this.#seen[importance] ?? 0) + 1;
    this.#requests++;
    if (this.#requests >= WINDOW_REQUESTS || now - this.#windowStart >= WINDOW_MS) this.#endWindow(now);
  }

  /** Notes how long a request waited for its batch, in milliseconds. */
  waited(queuedMs: number): void {
    this.#waits++;
    this.#waitedMs += queuedMs;
  }

  #endWindow(now: number): void {
    const overloaded = this.#waits > 0 && this.#waitedMs / this.#waits > this.#thresholdMs;
    let passing = 0;
    for (let importance = 0; importance < this.#level; importance++) passing += this.#seen[importance] ?? 0;
    if (overloaded) {
      const target = passing * (1 - CUT);
      // At least one step: a window without arrivals at the margin must not stop the cut.
      do {
        this.#level--;
        passing -= this.#seen[this.#level] ?? 0;
      } while (this.#level > 1 && passing > target);
      this.#level = Math.max(1, this.#level);
    } else if (this.#level < IMPORTANCES) {
      const target = passing + this.#requests * RAISE;
      do {
        passing += this.#seen[this.#level] ?? 0;
        this.#level++;
      } while (this.#level < IMPORTANCES && passing < target);
    }
    this.#seen.fill(0);
    this.#requests = 0;
    this.#waits = 0;
    this.#waitedMs = 0;
    this.#windowStart = now;
  }
}
