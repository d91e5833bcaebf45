/**
 * The data centre's copies of what is known of the pool: what is read anew each second, and catalogues, whose names say all that could
 * change. Kept for a day, for when nothing can be read anew.
 */
const KEPT_SECONDS = 86_400;

export class PoolCopies {
  readonly #environment: string;
  readonly #keepAlive: (pending: Promise<unknown>) => void;

  constructor(environment: string, keepAlive: (pending: Promise<unknown>) => void) {
    this.#environment = environment;
    this.#keepAlive = keepAlive;
  }

  /** @returns undefined where there is no copy */
  async read(name: string): Promise<unknown> {
    const cached = await caches.default.match(this.#url(name));
    return cached?.json();
  }

  write(name: string, value: unknown): void {
    const headers = { "cache-control": `max-age=${KEPT_SECONDS}` };
    this.#keepAlive(caches.default.put(this.#url(name), Response.json(value, { headers })));
  }

  /** A name that only this Worker can ask for: the Cache API is keyed by URL, and no request reaches it from outside. */
  #url(name: string): string {
    return `https://pool-view.invalid/${this.#environment}/${name}`;
  }
}
