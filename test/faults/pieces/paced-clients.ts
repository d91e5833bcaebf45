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
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { REQUEST_ID, TIMEOUT_MS } from "../../../shared/protocol/headers.ts";
import { ArrivalTimes, seededRandom } from "../../bench/arrivals.ts";
import type { ClientRecord, JsonTensor, Outcome } from "./client-record.ts";
import { IDENTITY_INPUT, IDENTITY_MODELS, IDENTITY_OUTPUT, type IdentityModel } from "./identity-models.ts";

export interface TenantTraffic {
  readonly tenant: string;
  readonly key: string;
  readonly perSecond: number;
}

export interface PacedClientsOptions {
  /** Origin of the edge. */
  readonly url: string;
  readonly tenants: readonly TenantTraffic[];
  /** Each request is for one of them; all of `IDENTITY_MODELS` unless given. */
  readonly models?: readonly IdentityModel[];
  /** Said to the edge with each request. */
  readonly deadlineMs: number;
  readonly seed: number;
}

/** Inputs count up from 0 and stay below, so that no input is a marker. An FP32 holds every whole number up to 2^24. */
const FIRST_MARKER = 9_000_000;
const MOST_IN_FLIGHT = 4_096;
/** Less than any server keeps an unused connection: one that is just being closed would lose the next request. */
const UNUSED_MS = 2_000;
/** How long after its deadline an answer is still waited for. */
const PATIENCE_MS = 5_000;

export class PacedClients {
  /** By tenant: what all of its inputs hold. */
  readonly markers: ReadonlyMap<string, string>;
  /** How long after it was due a request was sent at the worst, in milliseconds. */
  worstDelayMs = 0;
  readonly #options: PacedClientsOptions;
  readonly #models: readonly IdentityModel[];
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

  async #send({ tenant, key }: TenantTraffic): Promise<void> {
    const { deadlineMs, seed } = this.#options;
    const count = this.#count++;
    const id = `${tenant}-${seed}-${count}`;
    const model = this.#models[Math.floor(this.#random() * this.#models.length)] ?? this.#models[0];
    if (!model) throw new Error("there is no model to ask");
    const elements = [Number(this.markers.get(tenant)), count];
    const data = model.datatype === "BYTES" ? elements.map(String) : elements;
    const tensor = { datatype: model.datatype, shape: [1, data.length], data };
    const sentAt = performance.now();
    const outcome =
      this.#inFlight.size < MOST_IN_FLIGHT
        ? await this.#exchange(model, key, id, { name: IDENTITY_INPUT, ...tensor })
        : unanswered(`${MOST_IN_FLIGHT} requests are in flight`);
    const outputs = [{ name: IDENTITY_OUTPUT, ...tensor }];
    this.#records.push({ id, tenant, sentAt, deadlineMs, expected: { kind: "outputs", outputs }, outcome });
  }

  #exchange({ name }: IdentityModel, key: string, id: string, input: JsonTensor): Promise<Outcome> {
    const { url, deadlineMs } = this.#options;
    const body = JSON.stringify({ inputs: [input] });
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const request = httpRequest(`${url}/v2/models/${name}/infer`, {
      method: "POST",
      agent: this.#agent,
      headers: {
        ...{ authorization: `Bearer ${key}`, "content-type": "application/json" },
        ...{ [REQUEST_ID]: id, [TIMEOUT_MS]: String(deadlineMs), "content-length": Buffer.byteLength(body) },
      },
    });
    const patience = setTimeout(
      () => request.destroy(new Error(`nothing came for ${deadlineMs + PATIENCE_MS} ms`)),
      deadlineMs + PATIENCE_MS,
    );
    request.on("response", (response) => void readAnswer(response).then(resolve, (error) => resolve(failed(error))));
    request.on("error", (error) => resolve(failed(error)));
    request.on("close", () => clearTimeout(patience));
    request.end(body);
    return promise;
  }
}

async function readAnswer(response: IncomingMessage): Promise<Outcome> {
  const body = Buffer.concat(await response.toArray()).toString();
  const answeredAt = performance.now();
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headersDistinct)) headers[name] = value?.join(", ") ?? "";
  return { kind: "answered", status: response.statusCode ?? 0, headers, body, answeredAt };
}

function failed(error: unknown): Outcome {
  if (!(error instanceof Error)) return unanswered(String(error));
  return unanswered("code" in error ? `${error.code}: ${error.message}` : error.message);
}

function unanswered(reason: string): Outcome {
  return { kind: "unanswered", reason };
}
