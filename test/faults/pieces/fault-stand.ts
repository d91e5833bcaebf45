/**
 * What a fault test runs against: an edge whose log is kept, tenants, and nodes that the edge reaches through fault proxies.
 *
 *     const stand = await FaultStand.start();
 *     const { node, proxy } = await stand.fakeNode("a");
 *     await proxy.set({ kind: "blackhole" });
 *     const record = await stand.ask();
 *     assert.deepEqual(await stand.broken(), []);
 *     await stand.stop();
 *
 * Everything that is asked through it is kept; `broken` holds all of it to the invariants, and is to end each test. What nodes announce
 * takes another way than requests do, so the edge takes a node for live whatever its proxy does to requests.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StateFolder } from "../../../infra/cli/state-folder.ts";
import { HARDWARE } from "../../../shared/protocol/headers.ts";
import { type LoneEdge, startLoneEdge } from "../../support/lone-edge.ts";
import type { PoolProcess } from "../../support/pool.ts";
import { scrape } from "../../support/pool-metrics.ts";
import { RouteClient } from "../../support/route-client.ts";
import { SeveralNodes } from "../../support/several-nodes.ts";
import { until } from "../../support/until.ts";
import { brokenInMetrics, type Figures } from "./account-check.ts";
import type { ClientRecord } from "./client-record.ts";
import { type FakeNode, type FakeNodeOptions, startFakeNode } from "./fake-node.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
import { callIdentity, type IdentityCall } from "./identity-call.ts";
import { IDENTITY_INPUT, IDENTITY_MODELS, IDENTITY_OUTPUT, type IdentityModel } from "./identity-models.ts";
import { brokenInvariants } from "./invariant-checker.ts";
import { PacedClients, type PacedClientsOptions, type TenantTraffic } from "./paced-clients.ts";
import { RealNode } from "./real-node.ts";
import { allLogged, settledFigures } from "./settled.ts";
import { StallWatch } from "./stall-watch.ts";

export const TENANTS = ["acme", "globex"] as const;
export type TenantName = (typeof TENANTS)[number];

/** The markers of those who ask one by one: above what paced clients use, and an exact FP32. */
const OWN_MARKER = { acme: 9_500_000, globex: 9_500_001 } as const;
const [FIRST_MODEL] = IDENTITY_MODELS;

/** More inputs than any run sends: so many runs have inputs of their own that none is answered from a cache. */
const INPUTS_PER_RUN = 200_000;
const MOST_TOLD = 20;
/** How much later than its deadline an answer may be where nothing was held up. */
const SLACK_MS = 50;
/** A request waits for its turn in the client, in the edge, in the node and in the edge again, where a word of the edge's waits once. */
const TURNS = 4;

export type Traffic = Omit<Clients, "tenants"> & {
  /** Of all tenants together. */
  readonly perSecond: number;
  /** The same for each tenant. */
  readonly as?: Pick<TenantTraffic, "priority" | "retries">;
};

export type Clients = Omit<PacedClientsOptions, "url" | "seed" | "firstElement">;

export type Ask = Partial<Pick<IdentityCall, "deadlineMs" | "parameters" | "headers">> & {
  readonly tenant?: TenantName;
  readonly model?: IdentityModel;
  /** The element that tells inputs apart; another one each time unless given. */
  readonly element?: number;
  /** Elements of the input, 2 unless given; the further ones are 0. */
  readonly width?: number;
};

export interface StandOptions {
  /** Folders that real nodes serve. */
  readonly models?: readonly string[];
  /** Of what clients send and when. */
  readonly seed?: number;
  /** Where the edge answers a debugger; unless given, nowhere. */
  readonly inspectorPort?: number;
}

export interface ProxiedFake {
  readonly node: FakeNode;
  readonly proxy: FaultProxy;
}

/** Two fakes that nobody else's requests come to. */
export interface FakePair {
  readonly a: ProxiedFake;
  readonly b: ProxiedFake;
  /** What sends a request to one of the two. */
  readonly headers: Readonly<Record<string, string>>;
  /** Predictions that came to either, and how many of them were retries. */
  readonly asks: () => { readonly all: number; readonly retries: number };
}

export class FaultStand {
  readonly client: RouteClient;
  readonly #edge: LoneEdge;
  readonly #log: string[];
  readonly #keys: ReadonlyMap<string, string>;
  readonly #several: SeveralNodes;
  readonly #fakes: ProxiedFake[] = [];
  readonly #real = new Map<string, RealNode>();
  readonly #proxies: FaultProxy[] = [];
  /** What each process said when it was ready. */
  readonly #before = new Map<PoolProcess, Figures>();
  readonly #asked: ClientRecord[] = [];
  readonly #clients: PacedClients[] = [];
  #ended: readonly ClientRecord[] = [];
  readonly #stalls: StallWatch;
  readonly #seed: number;
  #runs = 0;
  #count = 0;

  private constructor(
    edge: LoneEdge,
    log: string[],
    keys: ReadonlyMap<string, string>,
    { models = [], seed = 1 }: StandOptions,
  ) {
    this.#seed = seed;
    this.#stalls = new StallWatch(edge.edgeUrl);
    this.#edge = edge;
    this.#log = log;
    this.#keys = keys;
    this.client = new RouteClient(edge);
    this.#several = new SeveralNodes(edge, models);
  }

  static async start(options: StandOptions = {}): Promise<FaultStand> {
    const log: string[] = [];
    const folder = mkdtempSync(join(tmpdir(), "warmgate-faults-"));
    const edge = await startLoneEdge(folder, {
      inspectorPort: options.inspectorPort,
      log: (lines) => void log.push(lines),
    });
    const client = new RouteClient(edge);
    const keys = new Map<string, string>();
    for (const tenant of TENANTS) keys.set(tenant, await client.tenant(tenant, {}, ["predict:*", "explain"]));
    return new FaultStand(edge, log, keys, options);
  }

  get edgeUrl(): string {
    return this.#edge.edgeUrl;
  }

  keyOf(tenant: string): string {
    const key = this.#keys.get(tenant);
    if (key === undefined) throw new Error(`there is no tenant ${tenant}`);
    return key;
  }

  /** A node without models, and the proxy that the edge reaches it through, once it is known to every request. */
  async fakeNode(name: string, options: Partial<FakeNodeOptions> = {}): Promise<ProxiedFake> {
    const proxy = await startFaultProxy({ seed: this.#proxies.length + 1 });
    this.#proxies.push(proxy);
    const signingKeys = new StateFolder(this.#edge.stateFolder).secrets().poolSigningKeys;
    const announced = { announceTo: this.edgeUrl, announcedUrl: proxy.origin };
    const node = await startFakeNode({ name, signingKeys, ...announced, ...options });
    proxy.target = { host: "127.0.0.1", port: node.port };
    const fake = { node, proxy };
    this.#fakes.push(fake);
    await this.known(name);
    return fake;
  }

  /** Two nodes of a class of hardware of their own, so that what the edge has learned in one test is nothing to another. */
  async fakePair(hardware: string): Promise<FakePair> {
    const [a, b] = await Promise.all([
      this.fakeNode(`${hardware}-a`, { hardware }),
      this.fakeNode(`${hardware}-b`, { hardware }),
    ]);
    const asks = () => {
      const requests = [...a.node.requests, ...b.node.requests];
      return { all: requests.length, retries: requests.filter(({ attempt }) => attempt > 1).length };
    };
    return { a, b, headers: { [HARDWARE]: hardware }, asks };
  }

  /** One for each of these names. */
  async fakePairs<Name extends string>(names: readonly Name[]): Promise<(name: Name) => FakePair> {
    const pairs = new Map<Name, FakePair>();
    await Promise.all(names.map(async (name) => pairs.set(name, await this.fakePair(name))));
    return (name) => {
      const pair = pairs.get(name);
      if (!pair) throw new Error(`there is no pair ${name}`);
      return pair;
    };
  }

  /** A serving process behind a proxy, once it is known to every request. @param options further ones of its command line */
  async realNode(name: string, options: readonly string[] = []): Promise<RealNode> {
    const proxy = await startFaultProxy({ seed: this.#proxies.length + 1 });
    this.#proxies.push(proxy);
    const start = async () => {
      const { pool } = await this.#several.start(name, ["--advertise-url", proxy.origin, ...options]);
      // On another port each time: one that nobody listens on may be taken by any connection on this machine.
      const follow = () => {
        proxy.target = { host: "127.0.0.1", port: pool.serving.port };
      };
      follow();
      pool.child.on("message", follow);
      this.#before.set(pool, await scrape(pool));
      return pool;
    };
    const node = new RealNode(name, proxy, start, await start());
    this.#real.set(name, node);
    await this.known(name);
    return node;
  }

  /** Resolves when the edge takes a node for live, or no longer does. */
  async known(name: string, live = true): Promise<void> {
    await until(
      `${name} to be known as ${live ? "live" : "gone"}`,
      async () => ((await this.client.nodes()).find(({ node }) => node === name)?.live ?? false) === live,
      10_000,
    );
  }

  /** Asks one thing, keeps what came of it. */
  async ask(given: Ask = {}): Promise<ClientRecord> {
    const { tenant = "acme", model = FIRST_MODEL, element = ++this.#count, width = 2, ...call } = given;
    if (!model) throw new Error("there is no model to ask");
    const id = `${tenant}-one-${this.#asked.length}-${this.#count++}`;
    const elements = [OWN_MARKER[tenant], element, ...new Array<number>(width - 2).fill(0)];
    const data = model.datatype === "BYTES" ? elements.map(String) : elements;
    const tensor = { datatype: model.datatype, shape: [1, data.length], data };
    const { deadlineMs = 2_000 } = call;
    const sentAt = performance.now();
    const outcome = await callIdentity({
      ...{ url: this.edgeUrl, model: model.name, key: this.keyOf(tenant), id, ...call, deadlineMs },
      input: { name: IDENTITY_INPUT, ...tensor },
    });
    const outputs = [{ name: IDENTITY_OUTPUT, ...tensor }];
    const record: ClientRecord = {
      ...{ id, tenant, sentAt, deadlineMs, outcome },
      expected: { kind: "outputs", outputs },
    };
    this.#asked.push(record);
    return record;
  }

  /** Both tenants' clients, from now on, at an equal share each. */
  traffic({ perSecond, as = {}, ...options }: Traffic): PacedClients {
    const tenants = TENANTS.map((tenant) => ({
      ...{ tenant, key: this.keyOf(tenant), perSecond: perSecond / TENANTS.length, ...as },
    }));
    return this.clients({ ...options, tenants });
  }

  /** Clients of one's own; stopped by `broken` at the latest. */
  clients(options: Clients): PacedClients {
    const run = this.#runs++;
    const own = { seed: this.#seed + run, firstElement: run * INPUTS_PER_RUN + 1 };
    const clients = new PacedClients({ url: this.edgeUrl, ...own, ...options });
    this.#clients.push(clients);
    return clients;
  }

  /** Ends all traffic and holds everything that was asked so far to the invariants; what is asked later counts anew. */
  async broken(): Promise<string[]> {
    const clients = this.#clients.splice(0);
    const runs = await Promise.all(clients.map((one) => one.stop()));
    const own = this.#asked.splice(0);
    this.#ended = [...this.#ended, ...own, ...runs.flat()];
    await allLogged([...own, ...runs.flat()], this.#log);
    const common = { edgeLog: this.#log, slackMs: (record: ClientRecord) => SLACK_MS + TURNS * this.#heldUpMs(record) };
    const broken = brokenInvariants({
      ...{ ...common, records: own, pools: [] },
      markers: new Map(TENANTS.map((tenant) => [tenant, String(OWN_MARKER[tenant])])),
    });
    for (const [index, records] of runs.entries()) {
      broken.push(
        ...brokenInvariants({ ...common, records, markers: clients[index]?.markers ?? new Map(), pools: [] }),
      );
    }
    // Nodes count over all runs, so they are held to all requests; what those requests were told was checked above.
    const accounted = await this.#accounts();
    const all = [...broken, ...accounted];
    return all.length <= MOST_TOLD ? all : [...all.slice(0, MOST_TOLD), `and ${all.length - MOST_TOLD} more`];
  }

  get log(): readonly string[] {
    return this.#log;
  }

  async stop(): Promise<void> {
    await this.#stalls.stop();
    for (const clients of this.#clients.splice(0)) await clients.stop();
    for (const proxy of this.#proxies) await proxy.clear();
    for (const { node } of this.#fakes) await node.stop();
    await this.#several.stop();
    for (const proxy of this.#proxies) await proxy.close();
    await this.#edge.stop();
    rmSync(this.#edge.stateFolder, { recursive: true, force: true });
  }

  #heldUpMs({ sentAt, outcome }: ClientRecord): number {
    return outcome.kind === "answered" ? this.#stalls.longestMs(sentAt, outcome.answeredAt) : 0;
  }

  async #accounts(): Promise<string[]> {
    const pools = await Promise.all([...this.#before].map(([pool, before]) => settledFigures(pool, before)));
    // What fakes have answered no metrics tell.
    return brokenInMetrics(this.#fakes.length === 0 ? this.#ended : [], pools);
  }
}
