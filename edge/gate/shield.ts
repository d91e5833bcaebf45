/**
 * The coarse shield in front of the contract's limits: an address that keeps failing to say who it is is told to wait.
 *
 * It counts failures only, so nobody with a valid key meets it. While an address is shut out its tokens are not even verified,
 * since that is the one refusal that costs computation. Where the platform does not say whom a request is from there is no shield.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { BoundedMemo } from "./bounded-memo.ts";

/** The window of the platform's counter (wrangler.toml). */
const SHUT_OUT_MS = 10_000;
const shutOut = new BoundedMemo<true>(10_000);

export class Shield {
  readonly #counter: RateLimit | undefined;
  readonly #address: string | null;

  constructor(counter: RateLimit | undefined, headers: Headers, addressHeader: string | undefined) {
    this.#counter = counter;
    this.#address = addressHeader === undefined ? null : headers.get(addressHeader);
  }

  /** @throws WarmgateError `rate_limited` while the address is shut out */
  check(now: number): void {
    if (this.#address !== null && shutOut.get(this.#address, now)) throw refused();
  }

  /** Counts a failure. @throws WarmgateError `rate_limited` when there were too many */
  async failed(now: number): Promise<void> {
    if (!this.#counter || this.#address === null) return;
    const { success } = await this.#counter.limit({ key: this.#address });
    if (success) return;
    shutOut.set(this.#address, true, now + SHUT_OUT_MS);
    throw refused();
  }
}

function refused(): WarmgateError {
  return new WarmgateError("rate_limited", "too many calls from this address failed to authenticate", {
    retryAfterSeconds: SHUT_OUT_MS / 1000,
  });
}
