/** What callers get while the network between the edge and its nodes does what networks do (faults.md D). */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type FakePair, FaultStand } from "./pieces/fault-stand.ts";
import { tally, toldIn } from "./pieces/told.ts";
import { answeredMs, quantile } from "./scenarios/scenario.ts";

const CLASSES = [
  "spare",
  "refuse",
  "blackhole",
  "silent",
  "reset",
  "latency",
  "slow",
  "loss1",
  "loss20",
  "loss50",
] as const;
type Class = (typeof CLASSES)[number];

/** Of retries, that a budget which is full may send at once. */
const BURST = 10;
const DEADLINE_MS = 1_500;

describe("between the edge and its nodes", () => {
  let stand: FaultStand;
  let pairOf: (name: Class) => FakePair;
  before(async () => {
    stand = await FaultStand.start();
    pairOf = await stand.fakePairs(CLASSES);
  });
  after(() => stand.stop());

  /** Sends at a steady pace for so long; all that was sent, in the order of sending. */
  const load = async ({ headers }: FakePair, perSecond: number, forMs: number, deadlineMs = DEADLINE_MS) => {
    const clients = stand.traffic({ perSecond, deadlineMs, headers });
    await delay(forMs);
    return (await clients.stop()).toSorted((one, other) => one.sentAt - other.sentAt);
  };
  /** As after a while of calm, in which retries were saved for. */
  const fillBudget = async () => {
    const { headers } = pairOf("spare");
    await Promise.all(Array.from({ length: 10 * BURST }, () => stand.ask({ headers })));
  };

  test("a node whose port is closed costs nobody an answer: the other one gives it", async (t) => {
    await fillBudget();
    const pair = pairOf("refuse");
    await pair.a.proxy.set({ kind: "refuse" });
    const records = await load(pair, 60, 1_000);
    t.diagnostic(JSON.stringify(tally(records)));
    assert.deepEqual(Object.keys(tally(records)), ["200"]);
    assert.equal(pair.a.node.requests.length, 0);
    assert.deepEqual(await stand.broken(), []);
  });

  test("a node that falls silent costs a second: another one is asked as well, and whoever answers first is heard", async (t) => {
    await fillBudget();
    const pair = pairOf("silent");
    await load(pair, 60, 300);
    assert.ok(pair.a.node.requests.length > 0);
    const before = pair.asks();
    await pair.a.proxy.set({ kind: "blackhole" });
    const records = await load(pair, 12, 2_500, 5_000);
    const took = answeredMs(records);
    t.diagnostic(`${JSON.stringify(tally(records))}, the slowest in ${quantile(took, 1).toFixed(0)} ms`);
    assert.deepEqual(Object.keys(tally(records)), ["200"]);
    assert.ok(quantile(took, 1) < 3_000, `${quantile(took, 1)} ms`);
    const { retries } = pair.asks();
    assert.ok(retries > before.retries && retries <= BURST, `${retries} sent again`);
    assert.deepEqual(await stand.broken(), []);
  });

  test("a node that swallows everything costs what is sent to it until the first deadlines, and then a probe at a time", async (t) => {
    const pair = pairOf("blackhole");
    await pair.a.proxy.set({ kind: "blackhole" });
    const records = await load(pair, 40, 2_700);
    t.diagnostic(JSON.stringify(tally(records)));
    assert.deepEqual(Object.keys(tally(records)).toSorted(), ["200", "504 deadline_exceeded"]);
    const begunAt = records[0]?.sentAt ?? 0;
    const later = records.filter(({ sentAt }) => sentAt > begunAt + DEADLINE_MS + 200);
    const lost = later.filter((record) => toldIn(record) !== "200");
    t.diagnostic(`then ${lost.length} of ${later.length}`);
    assert.ok(lost.length <= 6, `${lost.length} of ${later.length}`);
    assert.deepEqual(await stand.broken(), []);
  });

  test("a reply that is lost is asked for once more, of the other node, under a new nonce and the same id", async () => {
    await fillBudget();
    const { a, b, headers } = pairOf("reset");
    await a.proxy.set({ kind: "reset", when: "afterRequest" });
    const records = [];
    while (a.node.requests.length < 3) records.push(await stand.ask({ headers }));
    assert.deepEqual(Object.keys(tally(records)), ["200"]);
    for (const first of a.node.requests) {
      assert.equal(first.attempt, 1);
      const again = b.node.requests.filter(({ signed }) => signed.requestId === first.signed.requestId);
      assert.deepEqual(
        again.map(({ attempt }) => attempt),
        [2],
      );
      assert.notEqual(again[0]?.signed.nonce, first.signed.nonce);
    }
    assert.deepEqual([...a.node.rejected, ...b.node.rejected], []);
    assert.deepEqual(await stand.broken(), []);
  });

  test("a network that is slow all of a sudden brings lateness, but no answer after its deadline and no retries", async (t) => {
    const pair = pairOf("latency");
    for (const { proxy } of [pair.a, pair.b])
      await proxy.set({ kind: "latency", ms: 250, jitterMs: 240, direction: "both" });
    const records = await load(pair, 60, 1_000, 600);
    t.diagnostic(JSON.stringify(tally(records)));
    assert.deepEqual(Object.keys(tally(records)).toSorted(), ["200", "504 deadline_exceeded"]);
    assert.equal(pair.asks().retries, 0);
    for (const { proxy } of [pair.a, pair.b]) await proxy.clear();
    const calm = await load(pair, 60, 300, 600);
    assert.deepEqual(Object.keys(tally(calm)), ["200"]);
    assert.deepEqual(await stand.broken(), []);
  });

  test("a reply that trickles in is waited for until the deadline, and holds up nobody else's", async (t) => {
    const pair = pairOf("slow");
    await pair.a.proxy.set({ kind: "slowRead", bytesPerSecond: 100, direction: "response" });
    const records = await load(pair, 60, 1_000, 600);
    t.diagnostic(JSON.stringify(tally(records)));
    assert.deepEqual(Object.keys(tally(records)).toSorted(), ["200", "504 deadline_exceeded"]);
    // The median, as a machine with other work may hold up some of them by itself.
    assert.ok(quantile(answeredMs(records), 0.5) < 100);
    assert.deepEqual(await stand.broken(), []);
  });

  for (const { name, percent, answered, forMs } of [
    { name: "loss1", percent: 1, answered: 0.98, forMs: 1_000 },
    { name: "loss20", percent: 20, answered: 0.8, forMs: 1_000 },
    // So many failures look like a node that is down, and it is left alone most of the time.
    { name: "loss50", percent: 50, answered: 0.05, forMs: 1_000 },
  ] as const) {
    test(`with ${percent} % of the replies lost, retries are at most a tenth of what is asked for`, async (t) => {
      await fillBudget();
      const pair = pairOf(name);
      for (const { proxy } of [pair.a, pair.b]) await proxy.set({ kind: "reset", when: "afterRequest" }, percent / 100);
      const records = await load(pair, 200, forMs);
      const { all, retries } = pair.asks();
      t.diagnostic(`${JSON.stringify(tally(records))}, ${all} came to the nodes, ${retries} of them retries`);
      assert.ok(retries <= records.length / 10 + BURST, `${retries} of ${records.length}`);
      const { 200: right = 0, "503 pool_unavailable": refused = 0 } = tally(records);
      assert.equal(right + refused, records.length);
      assert.ok(right >= answered * records.length);
      assert.deepEqual(await stand.broken(), []);
    });
  }
});
