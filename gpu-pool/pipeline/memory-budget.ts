import { WarmgateError } from "../../shared/protocol/errors.ts";

/** Memory that requests in preparation may take, in bytes: a small picture or text may become a large tensor. */
export class MemoryBudget {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Starts one request's account. */
  open(): MemoryAccount {
    let own = 0;
    return {
      reserve: (bytes) => {
        if (own + bytes > this.#most) {
          throw new WarmgateError(
            "batch_too_large",
            "the batch takes more memory, prepared for the model, than there is",
          );
        }
        if (this.#taken + bytes > this.#most) {
          const reason = "more requests are being prepared than there is memory for";
          throw new WarmgateError("overloaded", reason, { retryAfterSeconds: 1 });
        }
        own += bytes;
        this.#taken += bytes;
      },
      close: () => {
        this.#taken -= own;
        own = 0;
      },
    };
  }
}

export interface MemoryAccount {
  /** @throws WarmgateError `batch_too_large` for what no budget could hold, `overloaded` while others have it */
  reserve(bytes: number): void;
  /** Gives everything back. */
  close(): void;
}
