/** What the scheduler hands a batch to. It knows neither ONNX Runtime nor HTTP; tests hand it a scripted one. */
export interface Executor<Item, Result> {
  /**
   * Runs the items as one batch.
   *
   * @param place where a run given this place before is going on; then this one begins when that one has ended
   * @returns one outcome an item, in the items' order; an Error fails that item alone
   * @throws when the batch failed as a whole; it is then halved to find the item that the model cannot take
   */
  run(items: readonly Item[], place: Place): Promise<readonly (Result | Error)[]>;
  /** Takes back the last run of this place, if it waits for another one; it then fails with {@link TakenBack}. */
  takeBack(place: Place): void;
}

/** A run that was taken back before it began. */
export class TakenBack extends Error {
  override readonly name = "TakenBack";
}

/** What runs that follow one another have in common. */
export interface Place {
  /** When the last run there ended, on the clock's scale. */
  endedAt: number;
}

/** Time and timers, handed in so that every rule can be tested without waiting. Milliseconds, monotonic. */
export interface Clock {
  now(): number;
  /** Calls `wake` once after `delayMs`; the returned function takes that back. */
  schedule(delayMs: number, wake: () => void): () => void;
  /** Calls `wake` once when what has already arrived has been taken in. */
  soon(wake: () => void): void;
}
