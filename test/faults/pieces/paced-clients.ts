/**
 * Clients of several tenants that send predictions when they are due, however the edge is doing, and keep what became of each for
 * the invariants to be checked.
 *
 *     const clients = new PacedClients({ url: edge.edgeUrl, tenants: [{ tenant: "acme", key, perSecond: 50 }], deadlineMs: 1_000, seed: 7 });
 *     ... // faults
 *     const records = await clients.stop();
 *     assert.deepEqual(brokenInvariants({ records, markers: clients.markers, edgeLog, pools }), []);
 *
 * Arrivals are Poisson, drawn from the seed as the inputs are. No two inputs are alike, so no answer comes from a cache; each holds
 * its tenant's marker, and what is right is known, as the models answer with their input.
 *
 * Promise: no request waits for another one's answer. Each takes a connection that is free, or opens one; a request that would need
 * more than `MOST_IN_FLIGHT` is counted as not answered. Worst case: this shares its event loop with whatever else the test runs, so
 * answers seem late by as long as that was blocked; `worstDelayMs` says how long that was.
 */
import { Agent } from "node:http";
import { ArrivalTimes, seededRandom } from "../../bench/arrivals.ts";
import type { ClientRecord, Outcome, Question } from "./client-record.ts";
import { callIdentity, unanswered } from "./identity-call.ts";
import { IDENTITY_MODELS, type IdentityModel, identityQuestion } from "./identity-models.ts";

export interface TenantTraffic {
  readonly tenant: string;
  readonly key: string;
  readonly perSecond: number;
  /** From 1, the most important, to 4; said with each request. */
  readonly priority?: number;
  /** How often a request that was refused for now is sent again, at once and under another id; 0 unless given. */
  readonly retries?: number;
}

/** A model whose answers are known in another way. */
export interface AskedModel {
  readonly name: string;
  /** @param numbers the tenant's marker, and the element that tells this input from the others */
  question(numbers: readonly number[]): Question;
}

export interface PacedClientsOptions {
  /** Origin of the edge, or of a pool that asks for no signature. */
  readonly url: string;
  readonly tenants: readonly TenantTraffic[];
  /** Each request is for one of them; all of `IDENTITY_MODELS` unless given. */
  readonly models?: readonly (IdentityModel | AskedModel)[];
  /** Said to the edge with each request. */
  readonly deadlineMs: number;
  readonly seed: number;
  /** The element that tells the first input from the others, which count up from it; 0 unless given. */
  readonly firstElement?: number;
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Inputs count up from 0 and stay below, so that no input is a marker. An FP32 holds every whole number up to 2^24. */
const FIRST_MARKER = 9_000_000;
const MOST_IN_FLIGHT = 4_096;
/** Less than any server keeps an unused connection: one that is just being closed would lose the next request. */
const UNUSED_MS = 2_000;
/** Refusals that a client in a hurry answers by asking again. */
const REFUSED_FOR_NOW: ReadonlySet<number> = new Set([429, 503, 504]);

export class PacedClients {
  /** By tenant: what all of its inputs hold. */
  readonly markers: ReadonlyMap<string, string>;
  /** How long after it was due a request was sent at the worst, in milliseconds. */
  worstDelayMs = 0;
  readonly #options: PacedClientsOptions;
  readonly #models: readonly (IdentityModel | AskedModel)[];
  readonly #random: () => number;
  readonly #agent = new Agent({ keepAlive: true, noDelay: true, timeout: UNUSED_MS });
  readonly #streams: readonly { readonly traffic: TenantTraffic; readonly arrivals: ArrivalTimes }[];
  readonly #records: ClientRecord[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #count = 0;

  /** Sends from now on. */
  constructor(options: PacedClientsOptions) {
    const { tenants, models = IDENTITY_MODELS, seed } = options;
    this.#options = options;
    this.#models = models;
    this.#random = seededRandom(seed);
    this.markers = new Map(tenants.map(({ tenant }, index) => [tenant, String(FIRST_MARKER + index)]));
    const startAt = performance.now();
    this.#streams = tenants.map((traffic, index) => {
      const arrivals = new ArrivalTimes({ kind: "poisson", perSecond: traffic.perSecond }, startAt, seed + 1 + index);
      return { traffic, arrivals };
    });
    this.#timer = setInterval(() => this.#sendDue(), 1);
  }

  /** Those that have ended so far. */
  get records(): readonly ClientRecord[] {
    return this.#records;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Sends no more. @returns all requests, once each was answered or given up */
  async stop(): Promise<readonly ClientRecord[]> {
    clearInterval(this.#timer);
    await Promise.all(this.#inFlight);
    this.#agent.destroy();
    return this.#records;
  }

  /** In the order in which they are due over all tenants, so that a run with the same seed sends the same. */
  #sendDue(): void {
    const now = performance.now();
    for (;;) {
      const [first] = this.#streams.toSorted((a, b) => a.arrivals.next - b.arrivals.next);
      if (!first || first.arrivals.next > now) return;
      this.worstDelayMs = Math.max(this.worstDelayMs, now - first.arrivals.next);
      first.arrivals.advance();
      const sending = this.#send(first.traffic).finally(() => this.#inFlight.delete(sending));
      this.#inFlight.add(sending);
    }
  }

  async #send({ tenant, key, priority, retries = 0 }: TenantTraffic): Promise<void> {
    const { deadlineMs, seed, url, headers = {}, firstElement = 0 } = this.#options;
    const count = this.#count++;
    const model = this.#models[Math.floor(this.#random() * this.#models.length)] ?? this.#models[0];
    if (!model) throw new Error("there is no model to ask");
    const numbers = [Number(this.markers.get(tenant)), firstElement + count];
    const { input, expected } = "question" in model ? model.question(numbers) : identityQuestion(model, numbers);
    for (let retry = 0; retry <= retries; retry++) {
      const id = `${tenant}-${seed}-${count}${retry === 0 ? "" : `-${retry}`}`;
      const sentAt = performance.now();
      const outcome =
        this.#inFlight.size < MOST_IN_FLIGHT
          ? await callIdentity({
              ...{ url, agent: this.#agent, model: model.name, key, id, deadlineMs, headers },
              input,
              ...(priority === undefined ? {} : { parameters: { priority } }),
            })
          : unanswered(`${MOST_IN_FLIGHT} requests are in flight`);
      this.#records.push({ id, tenant, sentAt, deadlineMs, expected, outcome });
      if (!isRefusedForNow(outcome)) return;
    }
  }
}

function isRefusedForNow(outcome: Outcome): boolean {
  return outcome.kind === "answered" && REFUSED_FOR_NOW.has(outcome.status);
}
