/** Runs at a place one after another, as a model's thread does. */
import { type Place, TakenBack } from "../../gpu-pool/scheduler/executor.ts";

interface Waiting {
  readonly begin: () => void;
  readonly takeBack: () => void;
}

export class SerialPlaces {
  /** What is to run at each place, what runs in front. */
  readonly #places = new Map<Place, Waiting[]>();

  run<Result>(place: Place, begin: () => Promise<Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const one = {
      begin: () =>
        void begin()
          .finally(() => this.#ended(place))
          .then(resolve, reject),
      takeBack: () => reject(new TakenBack()),
    };
    const waiting = this.#places.get(place);
    if (waiting) waiting.push(one);
    else {
      this.#places.set(place, [one]);
      one.begin();
    }
    return promise;
  }

  takeBack(place: Place): void {
    const waiting = this.#places.get(place) ?? [];
    if (waiting.length > 1) waiting.pop()?.takeBack();
  }

  #ended(place: Place): void {
    const waiting = this.#places.get(place) ?? [];
    waiting.shift();
    if (waiting[0]) waiting[0].begin();
    else this.#places.delete(place);
  }
}
