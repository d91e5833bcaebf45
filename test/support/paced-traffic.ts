/** A load that does not wait for its replies, so that what it meets while something fails is what callers would meet. */
export interface Sent<Reply> {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly reply: Reply;
}

/**
 * Sends a request every few milliseconds until it is stopped.
 *
 *     const traffic = new PacedTraffic(10, (count) => client.predict(...));
 *     ...
 *     for (const { at, reply } of await traffic.stop()) ...
 */
export class PacedTraffic<Reply> {
  /** What has been replied so far, in the order of the replies. */
  readonly sent: Sent<Reply>[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  #failure: unknown;

  /** @param send the request of that number, counted from 0 */
  constructor(everyMs: number, send: (count: number) => Promise<Reply>) {
    this.#timer = setInterval(() => {
      const at = Date.now();
      const underWay = send(this.#count++)
        .then((reply) => void this.sent.push({ at, reply }))
        .catch((error: unknown) => {
          this.#failure ??= error;
        })
        .finally(() => this.#underWay.delete(underWay));
      this.#underWay.add(underWay);
    }, everyMs);
  }

  /** @returns all requests, once each has its reply. @throws what a request threw */
  async stop(): Promise<readonly Sent<Reply>[]> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
    return this.sent;
  }
}
