/** What operators and callers see of a node that fails: its breaker opens, probes, and closes when it is well again. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { type FakePair, FaultStand } from "./pieces/fault-stand.ts";
import { IDENTITY_MODELS } from "./pieces/identity-models.ts";
import { tally, toldIn } from "./pieces/told.ts";

const nodesSchema = z.object({
  items: z.array(
    z.looseObject({
      node: z.string(),
      breakers: z.array(z.object({ model: z.string(), state: z.string(), retryAfterMs: z.number() })),
    }),
  ),
});
const explanationSchema = z.looseObject({
  node: z.looseObject({ chosen: z.string(), breaker: z.string() }).nullable(),
  attempts: z.array(z.object({ node: z.string(), outcome: z.string() })),
  shed: z.looseObject({ decision: z.string(), by: z.string(), reason: z.string().optional() }).nullable(),
});

const MODEL = IDENTITY_MODELS[0]?.name;
/** Of the first opening, with its jitter. */
const LONGEST_FIRST_OPEN_MS = 1_200;

describe("the breaker of a node", () => {
  let stand: FaultStand;
  let failing: FakePair;
  let down: FakePair;
  before(async () => {
    stand = await FaultStand.start();
    [failing, down] = await Promise.all([stand.fakePair("failing"), stand.fakePair("down")]);
  });
  after(() => stand.stop());

  const breakerOf = async (name: string) => {
    const { items } = nodesSchema.parse(await stand.client.change("GET", "/nodes"));
    return items.find(({ node }) => node === name)?.breakers.find(({ model }) => model === MODEL);
  };
  const explained = async ({ headers }: FakePair) => {
    const record = await stand.ask({ headers: { ...headers, "x-warmgate-explain": "1" } });
    assert.ok(record.outcome.kind === "answered");
    const text = record.outcome.headers["x-warmgate-explanation"] ?? "";
    return { record, ...explanationSchema.parse(JSON.parse(text)) };
  };
  const failWith = ({ a, b }: FakePair, fails: boolean) => {
    for (const { node } of [a, b]) {
      node.script = () => (fails ? { kind: "body", status: 500, body: "{}" } : undefined);
    }
  };

  test("opens after five failures in a row, is seen at /admin/v1/nodes and in explanations, and spares the node", async () => {
    failWith(failing, true);
    const names = ["failing-a", "failing-b"];
    const records = [];
    for (let sent = 0; sent < 30; sent++) records.push(await stand.ask({ headers: failing.headers }));
    // Five of each, unless one went to a node whose breaker another request had just opened.
    assert.equal(tally(records)["502 bad_pool_response"], 10);
    assert.equal(tally(records)["503 pool_unavailable"], 20);
    assert.equal(failing.asks().all, 10);
    for (const name of names) {
      const breaker = await breakerOf(name);
      assert.equal(breaker?.state, "open");
      assert.ok(breaker.retryAfterMs > 0 && breaker.retryAfterMs <= LONGEST_FIRST_OPEN_MS);
    }
    const { record, attempts, shed } = await explained(failing);
    assert.equal(toldIn(record), "503 pool_unavailable");
    assert.deepEqual([attempts, shed?.by, shed?.reason], [[], "edge", "breaker"]);
    assert.deepEqual(await stand.broken(), []);
  });

  test("lets probes through one at a time while it is half open, and is open for longer when one fails", async () => {
    await delay(LONGEST_FIRST_OPEN_MS);
    for (const { node } of [failing.a, failing.b]) {
      node.script = () => ({ kind: "body", status: 500, body: "{}", delayMs: 100 });
    }
    const before = failing.asks().all;
    const ask = () => stand.ask({ headers: failing.headers });
    const records = await Promise.all(Array.from({ length: 20 }, ask));
    assert.equal(failing.asks().all, before + 2);
    assert.deepEqual(tally(records), { "502 bad_pool_response": 2, "503 pool_unavailable": 18 });
    for (const name of ["failing-a", "failing-b"]) {
      const breaker = await breakerOf(name);
      assert.equal(breaker?.state, "open");
      assert.ok(breaker.retryAfterMs > LONGEST_FIRST_OPEN_MS, `${breaker.retryAfterMs} ms`);
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("closes after three probes that are answered", async () => {
    failWith(failing, false);
    await delay(2 * LONGEST_FIRST_OPEN_MS);
    const { record, node } = await explained(failing);
    assert.deepEqual([toldIn(record), node?.breaker], ["200", "half_open"]);
    for (let sent = 0; sent < 8; sent++) assert.equal(toldIn(await stand.ask({ headers: failing.headers })), "200");
    const breakers = await Promise.all(["failing-a", "failing-b"].map(breakerOf));
    assert.ok(breakers.some((breaker) => breaker?.state === "closed"));
    // The other one may not have been asked yet; it may be.
    for (const breaker of breakers) assert.equal(breaker?.retryAfterMs, 0);
    assert.deepEqual(await stand.broken(), []);
  });

  test("of all nodes at once is over within two probe intervals of their return, and nobody is flooded then", async (t) => {
    const perSecond = 60;
    const clients = stand.traffic({
      perSecond,
      deadlineMs: 1_000,
      headers: down.headers,
      models: IDENTITY_MODELS.slice(0, 1),
    });
    await delay(1_000);
    for (const { proxy } of [down.a, down.b]) await proxy.set({ kind: "refuse" });
    await delay(2_500);
    const intervalMs = Math.max(
      ...(await Promise.all(["down-a", "down-b"].map(async (name) => (await breakerOf(name))?.retryAfterMs ?? 0))),
    );
    for (const { proxy } of [down.a, down.b]) await proxy.clear();
    const backAt = performance.now();
    const arrivedBefore = down.asks().all;
    await delay(2 * intervalMs + 500);
    const records = await clients.stop();
    const answers = records.filter((record) => record.sentAt > backAt && toldIn(record) === "200");
    const firstMs = Math.min(...answers.map(({ sentAt }) => sentAt)) - backAt;
    const lastRefusal = Math.max(...records.filter((record) => toldIn(record) !== "200").map(({ sentAt }) => sentAt));
    const arrivals = [...down.a.node.requests, ...down.b.node.requests]
      .map(({ arrivedAt }) => arrivedAt)
      .toSorted((x, y) => x - y);
    const peak = mostIn(arrivals.slice(arrivedBefore), 250);
    t.diagnostic(
      `${JSON.stringify(tally(records))}; interval ${Math.round(intervalMs)} ms, first answer after ${Math.round(firstMs)} ms, ` +
        `last refusal after ${Math.round(lastRefusal - backAt)} ms, at most ${peak} in 250 ms where ${perSecond / 4} are asked`,
    );
    assert.ok(lastRefusal - backAt < 2 * intervalMs + 250);
    assert.ok(
      peak <=
        1.5 *
          mostIn(
            records.map(({ sentAt }) => sentAt).toSorted((x, y) => x - y),
            250,
          ),
    );
    assert.deepEqual(await stand.broken(), []);
  });
});

/** @param moments in order */
function mostIn(moments: readonly number[], windowMs: number): number {
  let from = 0;
  let most = 0;
  for (const [index, moment] of moments.entries()) {
    while ((moments[from] ?? moment) < moment - windowMs) from++;
    most = Math.max(most, index - from + 1);
  }
  return most;
}
