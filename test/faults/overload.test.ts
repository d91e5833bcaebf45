/** What callers get when more is asked than can be done (faults.md E). The long form is `npm run test:faults`. */
import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { watchOthers } from "../bench/process-cpu.ts";
import { capacityOf } from "./pieces/capacity.ts";
import { type FakePair, FaultStand } from "./pieces/fault-stand.ts";
import { SLOW_IDENTITY, slowIdentityFolder } from "./pieces/slow-identity.ts";
import { tally } from "./pieces/told.ts";
import { answeredMs, isAnsweredInTime, quantile, refusedMs } from "./scenarios/scenario.ts";

const LAYERS = 600;
const DEADLINE_MS = 500;
/** Of the cores: with more in other hands than this, how much was done and how soon says nothing of us. */
const MOST_FOR_OTHERS = 0.3;
/** The edge forgets refusals after three seconds. */
const FORGOTTEN_MS = 3_500;
const SLOW = { models: [SLOW_IDENTITY] };

describe("when more is asked than can be done", () => {
  const models = slowIdentityFolder(LAYERS);
  let stand: FaultStand;
  let saturated: FakePair;
  let waiting: FakePair;
  let capacity = 0;
  before(async () => {
    stand = await FaultStand.start({ models: [models.path] });
    [saturated, waiting] = await Promise.all([
      stand.fakePair("saturated"),
      stand.fakePair("waiting"),
      stand.realNode("real"),
      stand.realNode("short", ["--hardware", "short", "--max-queue-items", "2"]),
    ]);
    capacity = await capacityOf(stand, { model: SLOW_IDENTITY, headers: REAL }, 3, 1_000);
  });
  after(async () => {
    await stand.stop();
    models.remove();
  });

  /** Whether figures tell anything; the test counts as skipped if not. */
  const tells = (t: TestContext, othersCores: () => number | undefined): boolean => {
    const cores = othersCores() ?? 0;
    if (cores > MOST_FOR_OTHERS) t.skip(`other processes used ${cores.toFixed(2)} cores meanwhile`);
    return cores <= MOST_FOR_OTHERS;
  };
  const REAL = { "x-warmgate-hardware": "cpu" };

  test("at less than it, with time to spare, nobody is refused", async (t) => {
    const clients = stand.traffic({ perSecond: 0.6 * capacity, deadlineMs: 2_000, headers: REAL, ...SLOW });
    await delay(3_000);
    const records = await clients.stop();
    t.diagnostic(`${capacity.toFixed(0)} answers/s; ${JSON.stringify(tally(records))}`);
    const broken = await stand.broken();
    assert.deepEqual(Object.keys(tally(records)), ["200"]);
    assert.deepEqual(broken, []);
  });

  test("what can be done is done all the same, and the rest is refused sooner than it could be answered", async (t) => {
    const othersCores = watchOthers();
    const load = async (factor: number, forMs: number) => {
      const perSecond = factor * capacity;
      const clients = stand.traffic({ perSecond, deadlineMs: DEADLINE_MS, headers: REAL, ...SLOW });
      await delay(forMs);
      const records = await clients.stop();
      const goodput = (records.filter(isAnsweredInTime).length * 1_000) / forMs;
      t.diagnostic(`${goodput.toFixed(0)}/s in time of ${perSecond.toFixed(0)}/s: ${JSON.stringify(tally(records))}`);
      return {
        goodput,
        refusedAfterMs: quantile(refusedMs(records), 0.5),
        answeredAfterMs: quantile(answeredMs(records), 0.5),
      };
    };
    const enough = await load(1, 1_500);
    const tooMuch = await load(4, 2_000);
    const after = `refused in ${tooMuch.refusedAfterMs.toFixed(1)} ms at p50, answered in ${tooMuch.answeredAfterMs.toFixed(1)}`;
    t.diagnostic(after);
    assert.deepEqual(await stand.broken(), []);
    if (!tells(t, othersCores)) return;
    assert.ok(tooMuch.goodput > 0.7 * enough.goodput, `${tooMuch.goodput} and ${enough.goodput} before`);
    // The model, the edge and the clients fill the same cores: what is soon is told by the machine. The long form, which asks
    // few enough for it, holds refusals to 3 ms.
    assert.ok(tooMuch.refusedAfterMs < tooMuch.answeredAfterMs / 6, after);
  });

  test("the most important is answered beside a flood of what can wait", async (t) => {
    const othersCores = watchOthers();
    const clients = stand.clients({
      tenants: [
        { tenant: "acme", key: stand.keyOf("acme"), perSecond: 0.2 * capacity, priority: 1 },
        { tenant: "globex", key: stand.keyOf("globex"), perSecond: 3 * capacity, priority: 3 },
      ],
      ...{ deadlineMs: DEADLINE_MS, headers: REAL, ...SLOW },
    });
    await delay(2_000);
    const records = await clients.stop();
    const critical = records.filter(({ tenant }) => tenant === "acme");
    t.diagnostic(
      `${JSON.stringify(tally(critical))} beside ${JSON.stringify(tally(records.filter((one) => one.tenant === "globex")))}`,
    );
    const inTime = critical.filter(isAnsweredInTime).length;
    assert.deepEqual(await stand.broken(), []);
    if (tells(t, othersCores)) assert.ok(inTime >= critical.length - 1, `${inTime} of ${critical.length}`);
  });

  test("a full queue refuses what comes beyond it, and says when to come back", async (t) => {
    const ask = () => stand.ask({ model: SLOW_IDENTITY, headers: { "x-warmgate-hardware": "short" } });
    const records = await Promise.all(Array.from({ length: 20 }, ask));
    t.diagnostic(JSON.stringify(tally(records)));
    assert.deepEqual(Object.keys(tally(records)).toSorted(), ["200", "503 overloaded"]);
    assert.deepEqual(await stand.broken(), []);
  });

  test("what would wait longer than it may is refused by the edge, and the node hears nothing of it", async (t) => {
    for (const { node } of [waiting.a, waiting.b]) node.load = { waitMs: 2_000, admissionLevel: 512, slots: 1 };
    const ask = () => stand.ask({ deadlineMs: 400, headers: waiting.headers });
    // What the nodes say of themselves comes with their answers.
    for (let told = 0; told < 6; told++) await ask();
    const before = waiting.asks().all;
    const records = await Promise.all(Array.from({ length: 60 }, ask));
    const sent = waiting.asks().all - before;
    t.diagnostic(`${JSON.stringify(tally(records))}, ${sent} sent`);
    assert.ok((tally(records)["504 deadline_unreachable"] ?? 0) >= 50);
    // One in fifty is, to find out whether it still is so.
    assert.ok(sent <= 8, `${sent} sent`);
    assert.deepEqual(await stand.broken(), []);
  });

  test("clients that ask again at once, five times, bring the nodes no retry and less than they send", async (t) => {
    const perSecond = 15;
    let allowance = 0;
    const refill = setInterval(() => {
      allowance = Math.min(2, allowance + 1);
    }, 1_000 / perSecond);
    for (const { node } of [saturated.a, saturated.b]) {
      node.script = () => {
        if (allowance < 1) return { kind: "refusal", code: "overloaded", retryAfterSeconds: 1 };
        allowance--;
        return undefined;
      };
    }
    const clients = stand.traffic({
      perSecond: 4 * perSecond,
      deadlineMs: 1_000,
      headers: saturated.headers,
      as: { retries: 5 },
    });
    await delay(2_000);
    const records = await clients.stop();
    clearInterval(refill);
    const { all, retries } = saturated.asks();
    t.diagnostic(`${JSON.stringify(tally(records))}, ${all} came to the nodes, ${retries} of them retries`);
    assert.equal(retries, 0);
    assert.ok(all < records.length);
    for (const { node } of [saturated.a, saturated.b]) node.script = () => undefined;
    await delay(FORGOTTEN_MS);
    const after = await Promise.all(Array.from({ length: 40 }, () => stand.ask({ headers: saturated.headers })));
    t.diagnostic(`then ${JSON.stringify(tally(after))}`);
    assert.deepEqual(tally(after), { 200: 40 });
    assert.deepEqual(await stand.broken(), []);
  });
});
