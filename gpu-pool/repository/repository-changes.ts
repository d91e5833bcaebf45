/**
 * Which models have changed, told from what their files look like at each look.
 *
 * Promises: a change is reported once, and only when two looks in a row saw the same: a file that is being written changes
 * from one look to the next and is left alone until it rests. A model that has gone is reported like any other change.
 */
export interface Changes {
  readonly changed: readonly string[];
  readonly gone: readonly string[];
}

/** What each model's files look like, by the model's name: equal texts are equal files. */
export type Look = ReadonlyMap<string, string>;

export class RepositoryChanges {
  /** What has been reported. Bounded by the models on disk, like the other. */
  readonly #known: Map<string, string>;
  /** What was different at the last look; undefined stands for gone. */
  readonly #resting = new Map<string, string | undefined>();

  /** @param known what is loaded already */
  constructor(known: Look) {
    this.#known = new Map(known);
  }

  observe(look: Look): Changes {
    const changed: string[] = [];
    const gone: string[] = [];
    for (const name of new Set([...this.#known.keys(), ...look.keys(), ...this.#resting.keys()])) {
      const now = look.get(name);
      const rests = this.#resting.has(name) && this.#resting.get(name) === now;
      this.#resting.delete(name);
      if (now === this.#known.get(name)) continue;
      if (!rests) this.#resting.set(name, now);
      else if (now === undefined) {
        this.#known.delete(name);
        gone.push(name);
      } else {
        this.#known.set(name, now);
        changed.push(name);
      }
    }
    return { changed, gone };
  }
}
