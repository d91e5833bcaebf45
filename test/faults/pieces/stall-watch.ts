/**
 * How long this machine held everybody up, and when: an answer that is late by as much says nothing of the edge's deadlines. Found out by
 * asking the edge for a word that costs it nothing, again and again, from the process that the clients are in.
 *
 * Worst case: an edge whose own loop is blocked looks the same. How soon it refuses and answers is for the figures of a test to say.
 */
import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const EVERY_MS = 30;
/** Quicker words are nothing to remember. */
const STALL_MS = 10;
const GIVEN_UP_MS = 30_000;
const MOST_KEPT = 100_000;

interface Stall {
  readonly from: number;
  readonly to: number;
}

export class StallWatch {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #stalls: Stall[] = [];
  #asking = true;
  readonly #done: Promise<void>;

  /** @param edgeUrl origin of the edge */
  constructor(edgeUrl: string) {
    this.#url = `${edgeUrl}/healthz`;
    this.#done = this.#watch();
  }

  /** The longest that anything was held up between two moments, in milliseconds. */
  longestMs(from: number, to: number): number {
    let longest = 0;
    for (const stall of this.#stalls) {
      if (stall.to >= from && stall.from <= to) longest = Math.max(longest, stall.to - stall.from);
    }
    return longest;
  }

  async stop(): Promise<void> {
    this.#asking = false;
    await this.#done;
    this.#agent.destroy();
  }

  async #watch(): Promise<void> {
    while (this.#asking) {
      // From when it was due: a timer that is late was held up as well.
      const from = performance.now() + EVERY_MS;
      await delay(EVERY_MS);
      await this.#ask();
      const to = performance.now();
      if (to - from > STALL_MS && this.#stalls.length < MOST_KEPT) this.#stalls.push({ from, to });
    }
  }

  #ask(): Promise<void> {
    return new Promise((resolve) => {
      const request = get(this.#url, { agent: this.#agent, timeout: GIVEN_UP_MS }, (response) => {
        response.resume().on("close", resolve);
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve());
    });
  }
}
