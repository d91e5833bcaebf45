/**
 * Refuses a signed request that was already taken.
 *
 * Promises: within the signing window no nonce is accepted twice; memory stays below two generations of
 * `maxPerGeneration` nonces whatever the load. When a generation fills early it is retired early, and requests that
 * were signed before the retired nonces were last seen are refused instead of being taken unguarded. At 15,000
 * requests a second and the default size that is a request more than 13 seconds on its way.
 */
export class ReplayGuard {
  readonly #windowMs: number;
  readonly #maxPerGeneration: number;
  #current = new Set<string>();
  #previous = new Set<string>();
  #startedAt: number;
  /** Nothing signed before this moment can be told from a replay any more. */
  #floor = Number.NEGATIVE_INFINITY;
  #newestInPrevious = Number.NEGATIVE_INFINITY;
  #newestInCurrent = Number.NEGATIVE_INFINITY;

  constructor(windowMs: number, now: number, maxPerGeneration = 200_000) {
    this.#windowMs = windowMs;
    this.#maxPerGeneration = maxPerGeneration;
    this.#startedAt = now;
  }

  /**
   * Takes note of a verified request.
   *
   * @param signedAt when it was signed, `now` what time it is; milliseconds on one scale
   * @returns false when it is a replay, or too old or too new to tell
   */
  admit(nonce: string, signedAt: number, now: number): boolean {
    if (Math.abs(now - signedAt) > this.#windowMs || signedAt <= this.#floor) return false;
    // A nonce must be remembered from the earliest moment its request is valid to the latest: twice the window.
    if (now - this.#startedAt > 2 * this.#windowMs || this.#current.size >= this.#maxPerGeneration) this.#turn(now);
    if (signedAt <= this.#floor || this.#current.has(nonce) || this.#previous.has(nonce)) return false;
    this.#current.add(nonce);
    this.#newestInCurrent = Math.max(this.#newestInCurrent, signedAt);
    return true;
  }

  #turn(now: number): void {
    this.#floor = Math.max(this.#floor, this.#newestInPrevious);
    this.#previous = this.#current;
    this.#newestInPrevious = this.#newestInCurrent;
    this.#current = new Set();
    this.#newestInCurrent = Number.NEGATIVE_INFINITY;
    this.#startedAt = now;
  }
}
