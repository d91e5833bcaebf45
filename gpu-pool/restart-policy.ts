/**
 * When a serving process that has died is started again, and when no more. One that dies at once the first time is
 * replaced at once; one that keeps dying is not worth the load that its starts put on the machine, and whoever looks
 * after the pool must hear of it.
 */
const MAX_DEATHS = 5;
const WINDOW_MS = 60_000;
/** Starts in a row that did not get as far as being ready, however long each took. */
const MAX_STARTS_IN_VAIN = 5;
const FIRST_WAIT_MS = 100;

export type Restart =
  | { readonly kind: "wait"; readonly waitMs: number }
  | { readonly kind: "give_up"; readonly reason: string };

export class RestartPolicy {
  readonly #deaths: number[] = [];
  #inVain = 0;

  /** A process has become ready. */
  ready(): void {
    this.#inVain = 0;
  }

  /** @param now monotonic, in milliseconds */
  died(now: number): Restart {
    while (this.#deaths[0] !== undefined && now - this.#deaths[0] > WINDOW_MS) this.#deaths.shift();
    this.#deaths.push(now);
    this.#inVain++;
    const count = this.#deaths.length;
    if (count >= MAX_DEATHS) {
      return { kind: "give_up", reason: `the serving process died ${count} times within a minute` };
    }
    if (this.#inVain > MAX_STARTS_IN_VAIN) {
      return { kind: "give_up", reason: `the serving process died ${this.#inVain} times without having been ready` };
    }
    return { kind: "wait", waitMs: count === 1 ? 0 : FIRST_WAIT_MS * 2 ** (count - 1) };
  }
}
