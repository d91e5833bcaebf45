/**
 * Runs that have ended, taken in at once.
 *
 * A thread's answer comes as an event, behind everything else that the event loop has found. Under a flood that is a
 * hundred requests, each to be read and refused, while the device stands still and finished answers grow late. So who
 * takes in requests asks here first: what is finished comes before what is new.
 */
export interface Answering {
  /** Takes in what has been answered, without waiting for the event loop. */
  takeIn(): void;
}

export class Completions {
  /** Bounded by the runs that go on at once. */
  readonly #busy = new Set<Answering>();

  began(instance: Answering): void {
    this.#busy.add(instance);
  }

  ended(instance: Answering): void {
    this.#busy.delete(instance);
  }

  /** Takes in every answer that is there; some hundred nanoseconds when none is. */
  takeIn(): void {
    for (const instance of this.#busy) instance.takeIn();
  }
}
