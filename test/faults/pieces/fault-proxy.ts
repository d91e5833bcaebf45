/**
 * A TCP proxy between the edge and a node, steerable while it runs.
 *
 *     const proxy = await startFaultProxy({ target: { host: "127.0.0.1", port: node.port }, seed: 7 });
 *     await proxy.set({ kind: "reset", when: "afterRequest" }, 0.2); // a fifth of the replies is lost
 *     await proxy.clear();
 *     await proxy.close();
 *
 * One fault at a time, from the moment at which it is set, for connections that are open already as well; for two at once put two
 * proxies in a row. Which requests and connections are struck depends on the seed and on their order alone, so a run can be had
 * again as far as its connections come in the same order.
 *
 * What a proxy cannot do: a node that is not there is answered for by a reset instead of a refusal, since the connection has
 * been accepted before that is known; use `refuse` for that.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Fault, FaultInForce } from "./fault.ts";
import { type Address, ProxiedConnection, type ProxyCounters } from "./proxied-connection.ts";

export type { Fault } from "./fault.ts";

export interface FaultProxyOptions {
  /** May be set later, for a node that has to know the proxy's port when it starts; connections before that are reset. */
  readonly target?: Address;
  readonly seed?: number;
}

const HOST = "127.0.0.1";

export class FaultProxy {
  /** Where connections lead that come from now on. */
  target: Address | undefined;
  readonly #seed: number;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #counters: ProxyCounters = { connections: 0, bytesToNode: 0, bytesToEdge: 0, faults: 0 };
  #server: Server | undefined;
  #port = 0;
  #inForce: FaultInForce | undefined;
  #faults = 0;

  constructor({ target, seed = 1 }: FaultProxyOptions) {
    this.target = target;
    this.#seed = seed;
  }

  get port(): number {
    return this.#port;
  }

  get origin(): string {
    return `http://${HOST}:${this.#port}`;
  }

  /** As of now. */
  get counters(): Readonly<ProxyCounters> {
    return { ...this.#counters };
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#connections.size;
  }

  /** On the port it had before, if it had one. */
  async listen(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (edge) => this.#accept(edge));
    this.#server = server;
    server.listen(this.#port, HOST);
    await once(server, "listening");
    const address = server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
  }

  /**
   * Puts a fault in the place of the one before.
   *
   * @param probability share of the requests that it strikes, or of the connections for what comes before a request
   * @throws RangeError for a `refuse` with less than 1: a port is open to all or to none
   */
  async set(fault: Fault, probability = 1): Promise<void> {
    if (fault.kind === "refuse" && probability < 1) throw new RangeError("refuse is for all connections");
    this.#inForce = { fault, probability, number: ++this.#faults };
    if (fault.kind === "refuse") {
      this.#stopListening();
      for (const connection of this.#connections) connection.reset();
    } else await this.listen();
    this.#faultChanged();
  }

  /** From now on everything is passed on. Connections that have lost bytes are not mended. */
  async clear(): Promise<void> {
    this.#inForce = undefined;
    this.#faultChanged();
    await this.listen();
  }

  async close(): Promise<void> {
    const closed = this.#server && once(this.#server, "close");
    this.#stopListening();
    for (const connection of this.#connections) connection.close();
    await closed;
  }

  #accept(edge: Socket): void {
    const { target } = this;
    const connection = new ProxiedConnection({
      ...{ edge, target, seed: this.#seed, number: this.#counters.connections },
      ...{ inForce: () => this.#inForce, counters: this.#counters },
    });
    this.#connections.add(connection);
    edge.once("close", () => this.#connections.delete(connection));
  }

  #faultChanged(): void {
    for (const connection of this.#connections) connection.faultChanged();
  }

  #stopListening(): void {
    this.#server?.close();
    this.#server = undefined;
  }
}

export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options);
  await proxy.listen();
  return proxy;
}
