/**
 * What has passed its trial in an earlier serving process and need not be tried again by the next one: the files are the same
 * ones by their digest, and callers wait for the process to be back.
 *
 * Bounded: beyond `MOST` the oldest are forgotten, and tried again.
 */
import type { PassedTrial } from "./process-messages.ts";

const MOST = 1_024;

export class PassedTrials {
  readonly #byDigest = new Map<string, PassedTrial>();

  /** The oldest first. */
  get all(): PassedTrial[] {
    return [...this.#byDigest.values()];
  }

  add(trial: PassedTrial): void {
    this.#byDigest.delete(trial.digest);
    this.#byDigest.set(trial.digest, trial);
    const [oldest] = this.#byDigest.keys();
    if (this.#byDigest.size > MOST && oldest !== undefined) this.#byDigest.delete(oldest);
  }
}
