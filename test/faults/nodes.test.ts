/** What callers notice of serving processes that are killed, stopped, frozen and slow (faults.md A), with two of them. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { scrape } from "../support/pool-metrics.ts";
import { until } from "../support/until.ts";
import type { ClientRecord } from "./pieces/client-record.ts";
import { FaultStand } from "./pieces/fault-stand.ts";
import type { RealNode } from "./pieces/real-node.ts";
import { SLOW_IDENTITY, slowIdentityFolder } from "./pieces/slow-identity.ts";
import { tally, toldIn } from "./pieces/told.ts";

/** A run of a millisecond or less: a node is never short of time for these, whatever else this machine does. */
const LAYERS = 10;
const PER_SECOND = 50;
const DEADLINE_MS = 1_200;
/** I5: how long a process that died may be away. */
const BACK_MS = 10_000;

describe("a serving process", () => {
  const models = slowIdentityFolder(LAYERS);
  let stand: FaultStand;
  let a: RealNode;
  let b: RealNode;
  before(async () => {
    stand = await FaultStand.start({ models: [models.path] });
    [a, b] = await Promise.all([stand.realNode("a"), stand.realNode("b")]);
  });
  after(async () => {
    await stand.stop();
    models.remove();
  });

  const traffic = () => stand.traffic({ perSecond: PER_SECOND, deadlineMs: DEADLINE_MS, models: [SLOW_IDENTITY] });
  const received = async (node: RealNode) =>
    (await scrape(node.pool)).get("warmgate_pool_requests_received_total") ?? 0;
  const isAsked = async (node: RealNode) => {
    const before = await received(node);
    await until(`${node.name} to be asked`, async () => (await received(node)) > before + 2, 10_000);
  };
  const othersThan200 = (records: readonly ClientRecord[]) => records.filter((record) => toldIn(record) !== "200");

  test("that is told to stop under load costs nobody an answer", async (t) => {
    const clients = traffic();
    await isAsked(a);
    await a.act("terminate");
    await delay(300);
    const records = await clients.stop();
    t.diagnostic(JSON.stringify(tally(records)));
    assert.deepEqual(Object.keys(tally(records)), ["200"]);
    await a.act("heal");
    await stand.known("a");
    assert.deepEqual(await stand.broken(), []);
  });

  test("that is killed in the middle of requests is back in time, and those are answered by the other one", async (t) => {
    const clients = traffic();
    await isAsked(a);
    const killedAt = performance.now();
    await a.killAndReturn();
    const awayMs = performance.now() - killedAt;
    const records = await clients.stop();
    t.diagnostic(`back after ${Math.round(awayMs)} ms, ${JSON.stringify(tally(records))}`);
    assert.ok(awayMs < BACK_MS);
    assert.deepEqual(Object.keys(tally(records)), ["200"]);
    assert.deepEqual(await stand.broken(), []);
  });

  test("that hangs costs what it was sent before the first deadlines passed; it is asked again when it goes on", async (t) => {
    const clients = traffic();
    await isAsked(a);
    const frozenAt = performance.now();
    a.freeze();
    await delay(2_000);
    a.thaw();
    await stand.known("a");
    await isAsked(a);
    const records = await clients.stop();
    t.diagnostic(JSON.stringify(tally(records)));
    const lost = othersThan200(records);
    // When it goes on it says how long those waited that it had taken in, so for a moment less is sent to it than could be.
    const told = ["504 deadline_exceeded", "503 overloaded"];
    for (const record of lost) assert.ok(told.includes(toldIn(record)), toldIn(record));
    const late = lost.filter((record) => toldIn(record) === told[0]);
    const later = late.filter(({ sentAt }) => sentAt > frozenAt + DEADLINE_MS + 200);
    assert.ok(later.length <= 3, `${later.length} of those that were sent after the first deadlines`);
    assert.deepEqual(await stand.broken(), []);
  });

  test("that is slow to reach gets fewer requests than the other one, and none is late", async (t) => {
    const before = { a: await received(a), b: await received(b) };
    await a.proxy.set({ kind: "latency", ms: 60, jitterMs: 20, direction: "both" });
    const clients = traffic();
    await delay(2_000);
    const records = await clients.stop();
    await a.proxy.clear();
    const toA = (await received(a)) - before.a;
    const toB = (await received(b)) - before.b;
    t.diagnostic(`${toA} to the slow one, ${toB} to the other; ${JSON.stringify(tally(records))}`);
    assert.deepEqual(Object.keys(tally(records)), ["200"]);
    assert.ok(toA > 0 && toA < 0.6 * toB, `${toA} and ${toB}`);
    assert.deepEqual(await stand.broken(), []);
  });
});
