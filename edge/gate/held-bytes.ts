/**
 * How many bytes of bodies an isolate holds at once. All requests of an isolate share 128 MB, and one that goes beyond takes all others
 * with it; so what would be too much is refused while it arrives.
 *
 *     const hold = requestBytes.hold();
 *     try { hold.grow(chunk.byteLength); ... } finally { hold.release(); }
 *
 * Promise: never more than `most` are held, but for one body that is held alone, of whatever size its own cap allows. Worst case: a body is
 * there three times while its request is under way (as it came, as tensors, as it is sent on), so bodies in both directions take up to
 * `2 * 3 * MOST_HELD_BYTES`, 72 MiB.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";

const MOST_HELD_BYTES = 12 * 1024 * 1024;

/** The share of one request. */
export interface Hold {
  /** @throws WarmgateError `overloaded` where the isolate holds too much already; Error for who has released it */
  grow(bytes: number): void;
  /** Gives everything back, once the request is answered; who still reads for it is stopped by the next `grow`. */
  release(): void;
}

export class HeldBytes {
  readonly #most: number;
  #held = 0;

  constructor(most = MOST_HELD_BYTES) {
    this.#most = most;
  }

  get held(): number {
    return this.#held;
  }

  hold(): Hold {
    let own = 0;
    let released = false;
    return {
      grow: (bytes) => {
        if (released) throw new Error("the request is over");
        const others = this.#held - own;
        if (others > 0 && this.#held + bytes > this.#most) {
          throw new WarmgateError("overloaded", "the edge holds as much data of other requests as it can", {
            retryAfterSeconds: 1,
          });
        }
        own += bytes;
        this.#held += bytes;
      },
      release: () => {
        this.#held -= own;
        own = 0;
        released = true;
      },
    };
  }
}

/** What callers send, and what nodes answer. */
export const requestBytes = new HeldBytes();
export const answerBytes = new HeldBytes();
