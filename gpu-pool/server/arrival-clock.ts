/**
 * When requests came, as nearly as a process can tell that reads them one after another.
 *
 * While the event loop works through what it found at the sockets, what comes meanwhile waits in the kernel, unseen: under more
 * requests than the process can even read, that wait is most of a request's life, and whoever counts deadlines from the reading
 * answers everybody too late. So: what is read while the loop goes from one look at the sockets to the next without rest came,
 * on the average, half-way between the two looks. After a rest it came when the rest ended.
 */

/** A loop that takes longer than this from its work's end to the next request has rested: timers and the like take less. */
const REST_MS = 1;

export class ArrivalClock {
  readonly #now: () => number;
  readonly #onTurnEnd: (listener: () => void) => void;
  /** When the first request of this turn of the loop was read; undefined between the turns. */
  #lookedAt: number | undefined;
  #arrivedAt = 0;
  #lastLookedAt = 0;
  #turnEndedAt = Number.NEGATIVE_INFINITY;

  /** @param onTurnEnd calls the listener once, when the loop has worked through what it found at the sockets */
  constructor(now: () => number, onTurnEnd: (listener: () => void) => void = setImmediate) {
    this.#now = now;
    this.#onTurnEnd = onTurnEnd;
  }

  /** When the request that is being read came, on the clock's scale. */
  arrivedAt(): number {
    if (this.#lookedAt === undefined) {
      const lookedAt = this.#now();
      const rested = lookedAt - this.#turnEndedAt > REST_MS;
      this.#arrivedAt = rested ? lookedAt : (this.#lastLookedAt + lookedAt) / 2;
      this.#lookedAt = lookedAt;
      this.#onTurnEnd(this.#endTurn);
    }
    return this.#arrivedAt;
  }

  readonly #endTurn = (): void => {
    this.#lastLookedAt = this.#lookedAt ?? 0;
    this.#lookedAt = undefined;
    this.#turnEndedAt = this.#now();
  };
}
