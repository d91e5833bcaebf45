/**
 * The admission level: up to which importance a caller should send work at all, told to the edge with every reply.
 *
 * As in DAGOR (Zhou et al., SoCC 2018): when requests have waited too long in a window, the level is cut so that 5 % fewer of the requests
 * last seen would pass, else raised so that 1 % more would. Two things are other than there:
 * - How long is too long goes by what requests can afford. A device whose runs take 50 ms has waits of 50 ms at any load; it is
 *   overloaded when waiting takes more than half of the time that requests could wait, and more than `thresholdMs`.
 * - The level is a fraction: of the importance that it falls in, so large a part passes. A tenant has one importance, so where there are
 *   few tenants whole numbers would cut off a half of the load in one step.
 *
 * When requests wait for less than half of what is too long, the level rises by a tenth of all importances at once, so that from the lowest
 * it is back within some three seconds of arrivals.
 *
 * The pool itself does not refuse by level (it predicts, which is exact); the level lets work be dropped before it
 * crosses the world.
 */
import { IMPORTANCES } from "../../shared/control/importance.ts";

const WINDOW_MS = 250;
const WINDOW_REQUESTS = 2_000;
const CUT = 0.05;
const RAISE = 0.01;
/** Callers send little of what is above the level, so what was seen of it must not tell alone how far to rise. */
const MOST_RAISE = IMPORTANCES / 100;
const CALM_RAISE = IMPORTANCES / 10;
/** Share of the time that requests could wait. */
const TOO_LONG = 0.5;
const CALM = 0.5;

export class AdmissionLevel {
  readonly #thresholdMs: number;
  #level = IMPORTANCES;
  #seen = new Uint32Array(IMPORTANCES);
  #requests = 0;
  #waits = 0;
  #waitedMs = 0;
  #affordableMs = 0;
  #windowStart = 0;

  /** @param thresholdMs mean queueing time up to which the device never counts as overloaded */
  constructor(thresholdMs: number) {
    this.#thresholdMs = thresholdMs;
  }

  /** From 1 (only the most important) to 512 (all): below it all importances should be sent, of the one that it falls in its fraction. */
  get level(): number {
    return this.#level;
  }

  /** Notes a request, whether it is taken or refused. */
  arrived(importance: number, now: number): void {
    this.#seen[importance] = (this.#seen[importance] ?? 0) + 1;
    this.#requests++;
    if (this.#requests >= WINDOW_REQUESTS || now - this.#windowStart >= WINDOW_MS) this.#endWindow(now);
  }

  /** Notes how long a request waited for its batch, and how long it could have waited, both in milliseconds. */
  waited(queuedMs: number, affordableMs: number): void {
    this.#waits++;
    this.#waitedMs += queuedMs;
    this.#affordableMs += affordableMs;
  }

  #endWindow(now: number): void {
    const tooLongMs = Math.max(this.#thresholdMs * this.#waits, TOO_LONG * this.#affordableMs);
    if (this.#waitedMs > tooLongMs) this.#cut();
    else if (this.#waitedMs <= CALM * tooLongMs) this.#level = Math.min(IMPORTANCES, this.#level + CALM_RAISE);
    else this.#raise();
    this.#seen.fill(0);
    this.#requests = 0;
    this.#waits = 0;
    this.#waitedMs = 0;
    this.#affordableMs = 0;
    this.#windowStart = now;
  }

  /** By the whole of an importance of which nobody was seen, at least: it must not stop the cut. */
  #cut(): void {
    let excess = CUT * this.#passing();
    let level = this.#level;
    do {
      const from = Math.max(1, Math.ceil(level) - 1);
      const seen = (this.#seen[from] ?? 0) * (level - from);
      level = seen > excess ? level - (excess / seen) * (level - from) : from;
      excess -= seen;
    } while (level > 1 && excess > 0);
    this.#level = level;
  }

  #raise(): void {
    const most = Math.min(IMPORTANCES, this.#level + MOST_RAISE);
    let missing = RAISE * this.#requests;
    let level = this.#level;
    while (level < most && missing > 0) {
      const upTo = Math.floor(level) + 1;
      const seen = (this.#seen[upTo - 1] ?? 0) * (upTo - level);
      level = seen > missing ? level + (missing / seen) * (upTo - level) : upTo;
      missing -= seen;
    }
    this.#level = Math.min(most, level);
  }

  #passing(): number {
    let passing = 0;
    for (let importance = 0; importance < this.#level; importance++) {
      passing += (this.#seen[importance] ?? 0) * Math.min(1, this.#level - importance);
    }
    return passing;
  }
}
