/** Which nodes get requests, as they start, die, hang, leave and come back, and as the edge itself is restarted. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { StateFolder } from "../../infra/cli/state-folder.ts";
import { type LoneEdge, startLoneEdge } from "../support/lone-edge.ts";
import { PacedTraffic, type Sent } from "../support/paced-traffic.ts";
import { type Prediction, RouteClient, row } from "../support/route-client.ts";
import { ModelFolder, scaling } from "../support/scaling-models.ts";
import { SeveralNodes, type TestNode } from "../support/several-nodes.ts";
import { until } from "../support/until.ts";

/** From when on a change among the nodes is known to every request. */
const KNOWN_MS = 3_000;
/** Five in a row leave a node out; some are under way then. */
const MOST_REFUSALS = 40;
const TENANTS = 6;
const SCOPES = ["predict:*", "explain"];

describe("the pool's directory", () => {
  // Not declared deterministic, so that every request is run.
  const models = new ModelFolder().add("double", [scaling(2)]);
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-directory-"));
  const keys: string[] = [];
  const nodes = new Map<string, TestNode>();
  let edge: LoneEdge;
  let client: RouteClient;
  let several: SeveralNodes;
  before(async () => {
    edge = await startLoneEdge(stateFolder);
    client = new RouteClient(edge);
    several = new SeveralNodes(edge, [models.path]);
    for (let tenant = 0; tenant < TENANTS; tenant++) keys.push(await client.tenant(`tenant-${tenant}`, {}, SCOPES));
  });
  after(async () => {
    await several.stop();
    await edge.stop();
    for (const folder of [models.path, stateFolder]) rmSync(folder, { recursive: true, force: true });
  });

  const node = (name: string): TestNode => {
    const found = nodes.get(name);
    assert.ok(found);
    return found;
  };
  const start = async (name: string, options: readonly string[] = []) => {
    nodes.set(name, await several.start(name, options));
    return Date.now();
  };
  const ask = (which: number, headers: Record<string, string> = {}, as = client) => {
    const told = { "x-warmgate-explain": "1", ...headers };
    return as.infer("double", { key: keys[which % TENANTS]!, x: row(which), headers: told });
  };
  /** A hundred requests a second, of each tenant in turn. */
  const traffic = (headers: Record<string, string> = {}, as = client) =>
    new PacedTraffic(10, (count) => ask(count, headers, as).then((reply) => ({ ...reply, count })));
  /** Every answer is that of its own request; the others are counted by their codes. */
  const refusalsOf = (sent: readonly Sent<Prediction & { readonly count: number }>[]) => {
    const codes: Record<string, number> = {};
    for (const { reply } of sent) {
      if (reply.status === 200)
        assert.deepEqual(
          reply.outputs.y,
          row(reply.count).map((value) => 2 * value),
        );
      else codes[reply.code ?? "?"] = (codes[reply.code ?? "?"] ?? 0) + 1;
    }
    return codes;
  };
  const sumOf = (codes: Readonly<Record<string, number>>) =>
    Object.values(codes).reduce((sum, count) => sum + count, 0);
  const inDirectory = async (name: string) => (await client.nodes()).find((one) => one.node === name);
  const nodeOf = ({ explanation }: Prediction) => explanation?.attempts[0]?.node;
  const firstAnswerOf = (name: string) =>
    until(`an answer of ${name}`, async () => {
      const replies = await Promise.all(keys.map((_, which) => ask(which)));
      return replies.some((reply) => reply.status === 200 && nodeOf(reply) === name) && Date.now();
    });

  test("a node that starts gets requests within 3 s, beside others as well", async (t) => {
    const refused = await ask(0);
    assert.deepEqual([refused.status, refused.code], [503, "pool_unavailable"]);
    const aloneAt = await start("a");
    const alone = (await firstAnswerOf("a")) - aloneAt;
    const beside = await Promise.all(
      [["b"], ["c"], ["d", "--hardware", "big"]].map(async ([name = "", ...options]) => {
        const readyAt = await start(name, options);
        return (await firstAnswerOf(name)) - readyAt;
      }),
    );
    t.diagnostic(`after ${[alone, ...beside].join(", ")} ms`);
    for (const ms of [alone, ...beside]) assert.ok(ms < KNOWN_MS, `${ms} ms`);
  });

  test("of four nodes all answer, and each tenant has two of them", async () => {
    const answered = new Map<string, Set<string>>(keys.map((key) => [key, new Set()]));
    await until("all of four nodes to answer", async () => {
      for (const [which, key] of keys.entries()) {
        const reply = await ask(which);
        answered.get(key)?.add(nodeOf(reply) ?? "?");
        assert.equal(reply.explanation?.node?.shard.length, 2);
      }
      return new Set([...answered.values()].flatMap((names) => [...names])).size === 4;
    });
    for (const names of answered.values()) assert.ok(names.size <= 2, [...names].join());
  });

  test("a request for a class of hardware goes to nodes of that class, and one that nobody has is refused", async () => {
    for (let which = 0; which < 2 * TENANTS; which++) {
      assert.equal(nodeOf(await ask(which, { "x-warmgate-hardware": "big" })), "d");
      assert.notEqual(nodeOf(await ask(which, { "x-warmgate-hardware": "cpu" })), "d");
    }
    const refused = await ask(0, { "x-warmgate-hardware": "quantum" });
    assert.deepEqual([refused.status, refused.code], [503, "hardware_unavailable"]);
  });

  test("a node that hangs is passed over after 3 s, and is back when it goes on", async (t) => {
    const load = traffic({ "x-warmgate-timeout-ms": "1000" });
    node("d").freeze();
    const frozenAt = Date.now();
    await until("it to be known", async () => (await inDirectory("d"))?.live === false);
    assert.ok(Date.now() - frozenAt < KNOWN_MS, `known after ${Date.now() - frozenAt} ms`);
    await until("3 s and one more to pass", () => Date.now() - frozenAt > KNOWN_MS + 1_000);
    const sent = await load.stop();
    node("d").thaw();
    const codes = refusalsOf(sent);
    t.diagnostic(`of ${sent.length} requests in 4 s: ${JSON.stringify(codes)}`);
    assert.ok((codes.deadline_exceeded ?? 0) > 0, "nobody was sent there");
    assert.deepEqual(Object.keys(codes), ["deadline_exceeded"]);
    for (const { at, reply } of sent) {
      if (reply.status !== 200) assert.equal(nodeOf(reply), "d");
      if (at > frozenAt + KNOWN_MS) assert.notEqual(nodeOf(reply), "d");
    }
    await firstAnswerOf("d");
  });

  test("a node that is killed costs refusals for 3 s at the most, and no wrong answer", async (t) => {
    const load = traffic();
    await until("it to be asked", () => load.sent.some(({ reply }) => nodeOf(reply) === "d"));
    const killedAt = Date.now();
    await node("d").kill();
    await until("it to be known", async () => (await inDirectory("d"))?.live === false);
    assert.ok(Date.now() - killedAt < KNOWN_MS, `known after ${Date.now() - killedAt} ms`);
    await until("3 s and one more to pass", () => Date.now() - killedAt > KNOWN_MS + 1_000);
    const sent = await load.stop();
    const codes = refusalsOf(sent);
    t.diagnostic(`of ${sent.length} requests in 4 s: ${JSON.stringify(codes)}`);
    assert.ok(sumOf(codes) <= MOST_REFUSALS);
    assert.deepEqual(
      Object.keys(codes).filter((code) => code !== "pool_unavailable" && code !== "bad_pool_response"),
      [],
    );
    for (const { at, reply } of sent) {
      if (reply.status !== 200) assert.equal(nodeOf(reply), "d");
      if (at > killedAt + KNOWN_MS) assert.notEqual(nodeOf(reply), "d");
    }
    assert.equal((await inDirectory("d"))?.left, false);
  });

  test("a node that is stopped says goodbye, and the directory knows at once", async (t) => {
    const load = traffic();
    await until("it to be asked", () => load.sent.some(({ reply }) => nodeOf(reply) === "c"));
    const stoppedAt = Date.now();
    const stopped = node("c").pool.stop();
    await until("it to have left", async () => (await inDirectory("c"))?.left);
    const knownAt = Date.now();
    await stopped;
    await until("a second more to pass", () => Date.now() - knownAt > 1_000);
    const sent = await load.stop();
    t.diagnostic(
      `known after ${knownAt - stoppedAt} ms; of ${sent.length} requests: ${JSON.stringify(refusalsOf(sent))}`,
    );
    assert.ok(knownAt - stoppedAt < 2_000);
    for (const { at, reply } of sent) {
      if (reply.status !== 200) assert.deepEqual([reply.status, nodeOf(reply)], [503, "c"]);
      if (at > knownAt) assert.notEqual(nodeOf(reply), "c");
    }
  });

  test("the directory outlives a restart of the edge: who was there is, who was not is not", async () => {
    // They cannot say anything until the edge has been asked.
    for (const name of ["a", "b"]) node(name).freeze();
    await edge.stop();
    edge = await startLoneEdge(stateFolder, { port: Number(new URL(edge.edgeUrl).port) });
    const standings = (await client.nodes()).map(({ node: name, live, left, models: has }) => [
      name,
      live,
      left,
      has.length,
    ]);
    for (const name of ["a", "b"]) node(name).thaw();
    assert.deepEqual(standings.sort(), [
      ["a", true, false, 1],
      ["b", true, false, 1],
      ["c", false, true, 1],
      ["d", false, false, 1],
    ]);
    await Promise.all([firstAnswerOf("a"), firstAnswerOf("b")]);
  });

  test("a list of nodes does without announcements, and without one of the nodes", async (t) => {
    const ownFolder = mkdtempSync(join(tmpdir(), "warmgate-listed-"));
    const signingKeys = new StateFolder(stateFolder).secrets().poolSigningKeys;
    const listed = await startLoneEdge(ownFolder, { poolNodes: [node("a").url, node("b").url], signingKeys });
    try {
      const there = new RouteClient(listed);
      for (const [tenant] of keys.entries()) keys[tenant] = await there.tenant(`tenant-${tenant}`, {}, SCOPES);
      const load = traffic({}, there);
      await until("both to be asked", () => new Set(load.sent.map(({ reply }) => nodeOf(reply))).size === 2);
      const answeredBefore = load.sent.length;
      const killedAt = Date.now();
      await node("b").kill();
      await until("3 s and one more to pass", () => Date.now() - killedAt > KNOWN_MS + 1_000);
      const sent = await load.stop();
      const codes = refusalsOf(sent);
      t.diagnostic(`of ${sent.length} requests: ${JSON.stringify(codes)}`);
      assert.ok(sumOf(codes) <= MOST_REFUSALS);
      for (const [index, { at, reply }] of sent.entries()) {
        if (index < answeredBefore || at > killedAt + KNOWN_MS) assert.equal(reply.status, 200, reply.error);
        else if (reply.status !== 200) assert.equal(nodeOf(reply), "b");
        if (at > killedAt + KNOWN_MS) assert.equal(nodeOf(reply), "a");
      }
      assert.deepEqual((await there.nodes()).map(({ node: name, live }) => [name, live]).sort(), [
        ["a", true],
        ["b", false],
      ]);
    } finally {
      await listed.stop();
      rmSync(ownFolder, { recursive: true, force: true });
    }
  });
});
