/** What the scheduler hands a batch to. It knows neither ONNX Runtime nor HTTP; tests hand it a scripted one. */
export interface Executor<Item, Result> {
  /**
   * Runs the items as one batch.
   *
   * @returns one outcome an item, in the items' order; an Error fails that item alone
   * @throws when the batch failed as a whole; it is then halved to find the item that the model cannot take
   */
  run(items: readonly Item[]): Promise<readonly (Result | Error)[]>;
}

/** Time and timers, handed in so that every rule can be tested without waiting. Milliseconds, monotonic. */
export interface Clock {
  now(): number;
  /** Calls `wake` once after `delayMs`; the returned function takes that back. */
  schedule(delayMs: number, wake: () => void): () => void;
  /** Calls `wake` once when what has already arrived has been taken in. */
  soon(wake: () => void): void;
}
