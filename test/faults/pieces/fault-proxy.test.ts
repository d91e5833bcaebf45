import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import { connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { after, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../../support/until.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "./fault-proxy.ts";

const HOST = "127.0.0.1";

async function listening(server: Server): Promise<number> {
  server.listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address);
  return address.port;
}

/** A connection, with what came on it and how it ended. */
class Client {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  ended = false;
  closed: string | undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: HOST, allowHalfOpen: true });
    let error = "closed";
    this.socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
    });
    this.socket.on("end", () => (this.ended = true));
    this.socket.on("error", (thrown: NodeJS.ErrnoException) => (error = thrown.code ?? "?"));
    this.socket.on("close", () => (this.closed = error));
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  has(bytes: number): Promise<boolean> {
    return until(`${bytes} bytes`, () => this.#length >= bytes, 3_000);
  }

  close(): Promise<string> {
    return until("the end of the connection", () => this.closed, 3_000);
  }
}

/** A node that sends back what it gets, and keeps it. */
class Echo {
  got = Buffer.alloc(0);
  callerEnded = false;
  readonly #sockets = new Set<Socket>();
  readonly #server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      this.got = Buffer.concat([this.got, chunk]);
      socket.write(chunk);
    });
    socket.on("end", () => {
      this.callerEnded = true;
      socket.end();
    });
  });

  async listen() {
    return { host: HOST, port: await listening(this.#server) };
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describe("the fault proxy", () => {
  const proxies: FaultProxy[] = [];
  const clients: Client[] = [];
  const echoes: Echo[] = [];
  after(async () => {
    for (const { socket } of clients) socket.destroy();
    await Promise.all(proxies.map((proxy) => proxy.close()));
    for (const echo of echoes) echo.close();
  });
  const start = async (fault?: Fault) => {
    const echo = new Echo();
    echoes.push(echo);
    const proxy = await startFaultProxy({ target: await echo.listen() });
    proxies.push(proxy);
    if (fault) await proxy.set(fault);
    return { proxy, echo };
  };
  const client = ({ port }: FaultProxy, said?: string | Buffer) => {
    const made = new Client(port);
    clients.push(made);
    if (said !== undefined) made.socket.write(said);
    return made;
  };

  test("without a fault passes on every byte, in both directions, and counts them", async () => {
    const { proxy } = await start();
    const sent = Buffer.alloc(3_000_000, "0123456789");
    const one = client(proxy, sent);
    await one.has(sent.length);
    assert.ok(one.received.equals(sent));
    one.socket.end();
    await until("the end", () => one.ended);
    assert.deepEqual(proxy.counters, {
      ...{ connections: 1, faults: 0 },
      ...{ bytesToNode: sent.length, bytesToEdge: sent.length },
    });
    one.socket.destroy();
    await until("the connection to be forgotten", () => proxy.open === 0);
  });

  test("latency is added each way that it is asked for, and nothing overtakes anything", async () => {
    const { proxy } = await start({ kind: "latency", ms: 60, jitterMs: 20, direction: "both" });
    const startedAt = performance.now();
    const one = client(proxy);
    const parts = Array.from({ length: 20 }, (_, part) => `part ${part};`);
    for (const part of parts) {
      one.socket.write(part);
      await delay(2);
    }
    await one.has(1);
    const first = performance.now() - startedAt;
    assert.ok(first >= 80 && first < 400, `${first} ms`);
    await one.has(parts.join("").length);
    assert.equal(one.received.toString(), parts.join(""));
    await proxy.set({ kind: "latency", ms: 60, jitterMs: 0, direction: "response" });
    const askedAt = performance.now();
    const two = client(proxy, "x");
    await two.has(1);
    const oneWay = performance.now() - askedAt;
    assert.ok(oneWay >= 58 && oneWay < 115, `${oneWay} ms`);
  });

  test("a thin link lets through what it is said to, and is as wide as ever when cleared", async () => {
    const { proxy } = await start({ kind: "bandwidth", bytesPerSecond: 100_000, direction: "response" });
    const startedAt = performance.now();
    const one = client(proxy, Buffer.alloc(1_000_000));
    await one.has(40_000);
    const ms = performance.now() - startedAt;
    assert.ok(ms > 340 && ms < 800, `${ms} ms`);
    await proxy.clear();
    await one.has(1_000_000);
    assert.ok(performance.now() - startedAt < 2_000);
  });

  test("a slow reader makes the sender wait, and loses nothing", async () => {
    const bytes = Buffer.alloc(20_000_000, "0123456789");
    let written = false;
    const sender = createTcpServer((socket) => socket.end(bytes, () => (written = true)));
    const { proxy } = await start({ kind: "slowRead", bytesPerSecond: 50_000, direction: "response" });
    proxy.target = { host: HOST, port: await listening(sender) };
    const one = client(proxy);
    await one.has(1);
    await delay(150);
    assert.equal(written, false);
    await proxy.clear();
    await one.has(bytes.length);
    assert.ok(written && one.received.equals(bytes));
    sender.close();
  });

  test("a thin link does not make the sender wait, for as much as it can hold", async () => {
    const { proxy, echo } = await start({ kind: "bandwidth", bytesPerSecond: 1_000, direction: "request" });
    const one = client(proxy);
    await new Promise<void>((resolve) => one.socket.write(Buffer.alloc(500_000), () => resolve()));
    await delay(50);
    assert.ok(echo.got.length < 1_000, `${echo.got.length} bytes`);
  });

  test("reset at the connection: the node hears nothing of it", async () => {
    const { proxy, echo } = await start({ kind: "reset", when: "connect" });
    assert.equal(await client(proxy).close(), "ECONNRESET");
    assert.equal(echo.got.length, 0);
    assert.deepEqual([proxy.counters.faults, proxy.counters.bytesToNode], [1, 0]);
  });

  test("reset after the request: the node has it, and no byte of its reply arrives", async () => {
    const { proxy, echo } = await start({ kind: "reset", when: "afterRequest" });
    const one = client(proxy, "request");
    assert.equal(await one.close(), "ECONNRESET");
    assert.deepEqual([echo.got.toString(), one.received.length, proxy.counters.bytesToEdge], ["request", 0, 0]);
  });

  test("reset after some bytes, and truncation after some: exactly these arrive, the one ends abruptly, the other in order", async () => {
    const reset = client((await start({ kind: "reset", when: "afterBytes", bytes: 4 })).proxy, "0123456789");
    assert.equal(await reset.close(), "ECONNRESET");
    assert.equal(reset.received.toString(), "0123");
    const truncated = client((await start({ kind: "truncate", bytes: 4 })).proxy, "0123456789");
    await until("the end", () => truncated.ended);
    assert.equal(truncated.received.toString(), "0123");
    assert.equal(truncated.closed, undefined);
    const whole = client((await start({ kind: "truncate", bytes: 400 })).proxy, "0123456789");
    await whole.has(10);
    assert.equal(whole.ended, false);
  });

  test("half-closed to the edge: it sees an end in place of the reply, and may go on sending", async () => {
    const { proxy, echo } = await start({ kind: "halfClose", direction: "response" });
    const one = client(proxy, "first");
    await until("the end", () => one.ended, 3_000);
    assert.equal(one.received.length, 0);
    one.socket.write("second");
    await until("the node to hear more", () => echo.got.toString() === "firstsecond", 3_000);
  });

  test("half-closed to the node: it sees an end after the request, and its reply arrives", async () => {
    const { proxy, echo } = await start({ kind: "halfClose", direction: "request" });
    const one = client(proxy, "first");
    await until("the node to see the end", () => echo.callerEnded, 3_000);
    await one.has(5);
    assert.equal(one.received.toString(), "first");
  });

  test("a black hole takes everything and answers nothing, also on connections that were open; others work when it is cleared", async () => {
    const { proxy, echo } = await start();
    const earlier = client(proxy, "hello");
    await earlier.has(5);
    await proxy.set({ kind: "blackhole" });
    earlier.socket.write("again");
    const later = client(proxy, "hello");
    await delay(80);
    assert.deepEqual([earlier.received.toString(), later.received.length], ["hello", 0]);
    assert.deepEqual([earlier.closed, later.closed, echo.got.toString()], [undefined, undefined, "hello"]);
    await proxy.clear();
    earlier.socket.write("once more");
    const after = client(proxy, "back");
    await after.has(4);
    assert.equal(earlier.received.toString(), "hello");
    earlier.socket.end();
    await earlier.close();
  });

  test("a reply that was under way when the hole opened is lost too", async () => {
    const { proxy, echo } = await start({ kind: "latency", ms: 50, jitterMs: 0, direction: "response" });
    const one = client(proxy, "hello");
    await until("the node to have it", () => echo.got.length === 5);
    await proxy.set({ kind: "blackhole" });
    one.socket.write("more");
    await delay(100);
    assert.equal(one.received.length, 0);
  });

  test("refused: open connections are reset and new ones turned away by the system, until the same port is back", async () => {
    const { proxy } = await start();
    const one = client(proxy, "hello");
    await one.has(5);
    const { port } = proxy;
    await proxy.set({ kind: "refuse" });
    assert.equal(await one.close(), "ECONNRESET");
    assert.equal(await client(proxy).close(), "ECONNREFUSED");
    await proxy.set({ kind: "latency", ms: 1, jitterMs: 0, direction: "both" });
    assert.equal(proxy.port, port);
    await client(proxy, "hello").has(5);
    await assert.rejects(proxy.set({ kind: "refuse" }, 0.5), RangeError);
  });

  test("corruption changes one byte of a chunk, in the direction that was asked for", async () => {
    const { proxy, echo } = await start({ kind: "corrupt", probability: 1, direction: "request" });
    const one = client(proxy, "0123456789");
    await one.has(10);
    const wrong = [...echo.got].filter((byte, at) => byte !== Buffer.from("0123456789")[at]);
    assert.equal(wrong.length, 1);
    assert.ok(one.received.equals(echo.got), "the way back is sound");
    await proxy.set({ kind: "corrupt", probability: 0, direction: "request" });
    const sound = client(proxy, "0123456789");
    await sound.has(10);
    assert.equal(sound.received.toString(), "0123456789");
    assert.equal(proxy.counters.faults, 1);
  });

  test("without a target, or with one that is not there, connections are reset", async () => {
    const { proxy } = await start();
    const { target } = proxy;
    proxy.target = undefined;
    assert.equal(await client(proxy).close(), "ECONNRESET");
    proxy.target = { host: HOST, port: 1 };
    assert.equal(await client(proxy, "x").close(), "ECONNRESET");
    proxy.target = target;
    await client(proxy, "x").has(1);
  });
});

describe("whom a fault strikes", () => {
  const requests = 200;
  /** For each request, over as few connections as will do, whether its reply was lost. */
  const lost = async (seed: number, probability: number) => {
    const server = createServer((_, response) => response.end("ok"));
    const proxy = await startFaultProxy({ target: { host: HOST, port: await listening(server) }, seed });
    await proxy.set({ kind: "reset", when: "afterRequest" }, probability);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const outcomes: boolean[] = [];
    for (let count = 0; count < requests; count++) {
      const sent = request({ host: HOST, port: proxy.port, agent });
      sent.end();
      outcomes.push(
        await once(sent, "response").then(
          async ([response]) => {
            await response.toArray();
            return false;
          },
          () => true,
        ),
      );
    }
    const { connections, faults } = proxy.counters;
    agent.destroy();
    await proxy.close();
    server.closeAllConnections();
    server.close();
    const losses = outcomes.filter((isLost) => isLost).length;
    assert.equal(faults, losses);
    return { outcomes, losses, connections };
  };

  test("a share of the requests, drawn for each of them although they share a connection", async () => {
    const { losses, connections } = await lost(1, 0.2);
    assert.ok(Math.abs(losses - 40) <= 3 * Math.sqrt(requests * 0.2 * 0.8), `${losses} of ${requests}`);
    assert.ok(connections <= losses + 1, `${connections} connections for ${losses} losses`);
  });

  test("the same ones with the same seed, others with another", async () => {
    const [first, again, other] = [await lost(3, 0.3), await lost(3, 0.3), await lost(4, 0.3)];
    assert.deepEqual(again.outcomes, first.outcomes);
    assert.notDeepEqual(other.outcomes, first.outcomes);
  });

  test("all of them or none", async () => {
    assert.equal((await lost(1, 1)).losses, requests);
    assert.equal((await lost(1, 0)).losses, 0);
  });
});
