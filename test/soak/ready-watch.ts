/** Takes a pool at its word: asks it all the time whether it is live and ready and, when it says ready, for an answer at once. */
import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { ClientRecord } from "../faults/pieces/client-record.ts";
import { callIdentity } from "../faults/pieces/identity-call.ts";
import { IDENTITY_INPUT, IDENTITY_OUTPUT, type IdentityModel } from "../faults/pieces/identity-models.ts";
import type { Denial, ReadyWord } from "./outages.ts";

export interface ReadyWatchOptions {
  /** Where requests are answered. */
  readonly url: string;
  readonly opsUrl: string;
  /** One of numbers. */
  readonly model: IdentityModel;
  readonly deadlineMs: number;
}

const EVERY_MS = 20;
const PATIENCE_MS = 1_000;
const TENANT = "ready-watch";
/** No other client's (`paced-clients.ts`), and still a whole number in an FP32. */
const MARKER = 9_900_000;

export class ReadyWatch {
  /** To be held beside those of the other clients. */
  readonly marker: readonly [tenant: string, marker: string] = [TENANT, String(MARKER)];
  readonly #options: ReadyWatchOptions;
  /** A connection for each question: an old one would know of a process that has ended. */
  readonly #agent = new Agent({ keepAlive: false });
  /** Each time that it said that it is not, or nothing. */
  readonly denials: Denial[] = [];
  readonly #words: ReadyWord[] = [];
  readonly #watching: Promise<void>;
  #going = true;

  /** Asks from now on. */
  constructor(options: ReadyWatchOptions) {
    this.#options = options;
    this.#watching = this.#watch();
  }

  /** @returns each time that the pool said it was ready, and what came of it */
  async stop(): Promise<readonly ReadyWord[]> {
    this.#going = false;
    await this.#watching;
    return this.#words;
  }

  async #watch(): Promise<void> {
    while (this.#going) {
      const askedAt = performance.now();
      const [isLive, isReady] = await Promise.all([this.#says("livez"), this.#says("readyz")]);
      const endedAt = performance.now();
      if (!isLive) this.denials.push({ askedAt, endedAt, what: "live" });
      if (!isReady) this.denials.push({ askedAt, endedAt, what: "ready" });
      else this.#words.push({ askedAt, request: await this.#ask(this.#words.length) });
      await delay(EVERY_MS);
    }
  }

  #says(path: "livez" | "readyz"): Promise<boolean> {
    return new Promise((resolve) => {
      const request = get(`${this.#options.opsUrl}/${path}`, { agent: this.#agent, timeout: PATIENCE_MS }, (response) =>
        response.resume().on("close", () => resolve(response.complete && response.statusCode === 200)),
      );
      request.on("timeout", () => request.destroy(new Error("it says nothing")));
      request.on("error", () => resolve(false));
    });
  }

  async #ask(count: number): Promise<ClientRecord> {
    const { url, model, deadlineMs } = this.#options;
    const id = `${TENANT}-${count}`;
    const tensor = { datatype: model.datatype, shape: [1, 2], data: [MARKER, 1 + count] };
    const sentAt = performance.now();
    const outcome = await callIdentity({
      ...{ url, agent: this.#agent, model: model.name, key: "none", id, deadlineMs },
      input: { name: IDENTITY_INPUT, ...tensor },
    });
    const expected = { kind: "outputs" as const, outputs: [{ name: IDENTITY_OUTPUT, ...tensor }] };
    return { id, tenant: TENANT, sentAt, deadlineMs, expected, outcome };
  }
}
