/**
 * What an isolate remembers, bounded in bytes and in entries; what was used longest ago leaves first. Values only: a promise made
 * in one request must not be awaited in another on Workers.
 */

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
  readonly expiresAt: number;
}

/** Of a map's entry, two small objects and the key's header, generously. */
const OVERHEAD_BYTES = 256;
/** One entry may fill no more than this part: else a few large answers would push out all small ones. */
const LARGEST_SHARE = 1 / 8;

export class IsolateCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  #bytes = 0;

  constructor(maxBytes: number, maxEntries: number) {
    this.#maxBytes = maxBytes;
    this.#maxEntries = maxEntries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get entries(): number {
    return this.#entries.size;
  }

  /** @param now on the scale of `expiresAt`, in milliseconds */
  get(key: string, now: number): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAt <= now) {
      this.#bytes -= entry.bytes;
      return undefined;
    }
    // A Map keeps the order of insertion: last is what was used last.
    this.#entries.set(key, entry);
    return entry.value;
  }

  /**
   * @param bytes of the value; the key and the entry itself are added
   * @returns whether it was stored
   */
  put(key: string, value: Value, bytes: number, expiresAt: number): boolean {
    this.delete(key);
    const size = bytes + 2 * key.length + OVERHEAD_BYTES;
    if (size > this.#maxBytes * LARGEST_SHARE) return false;
    this.#entries.set(key, { value, bytes: size, expiresAt });
    this.#bytes += size;
    while (this.#bytes > this.#maxBytes || this.#entries.size > this.#maxEntries) {
      const [oldest] = this.#entries.keys();
      if (oldest === undefined) break;
      this.delete(oldest);
    }
    return true;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
