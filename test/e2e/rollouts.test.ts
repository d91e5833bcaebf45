/** Rollouts under load: good candidates get all the traffic, bad ones lose what they had, and nobody else moves anything. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { parseApiKey } from "../../shared/protocol/api-key.ts";
import { PacedTraffic, type Sent } from "../support/paced-traffic.ts";
import { type Prediction, type Rollout, RouteClient, row } from "../support/route-client.ts";
import { dividingByZero, ModelFolder, scaling, slowScaling } from "../support/scaling-models.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

/** Short steps, and the guards as they are unless a test is about one of them. */
const PLAN = { steps: [30, 100], stepSeconds: 3, stepRequests: 20, shadowShare: 0.5 };
const TAKES_EFFECT_MS = 10_000;

describe("a rollout", () => {
  // Not declared deterministic, so that every request is run.
  const models = new ModelFolder()
    .add("good", [scaling(1), scaling(1.01)])
    .add("wrong", [scaling(1), scaling(-1)])
    .add("slow", [scaling(1), slowScaling(1, 2_000)], { maxBatch: 0 })
    .add("broken", [scaling(1), dividingByZero()])
    .add("other", [scaling(1), scaling(1, { width: 8 })]);
  let stack: TestStack;
  let client: RouteClient;
  let key: string;
  before(async () => {
    stack = await startTestStack([models.path]);
    client = new RouteClient(stack);
    key = await client.tenant("caller");
  });
  after(async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await stack.stop();
    models.remove();
  });

  const contract = (more: Readonly<Record<string, unknown>> = {}) => [
    { contract: 1, split: { versions: [{ version: "1", weight: 1 }] }, ...more },
  ];
  /** Different inputs, 40 a second. */
  const loads: PacedTraffic<Prediction>[] = [];
  const traffic = (route: string) => {
    const load = new PacedTraffic(25, (count) => client.infer(route, { key, x: row(count) }));
    loads.push(load);
    return load;
  };
  /** On a busy machine some are refused for load, which is no answer of either version. */
  const answered = (sent: readonly Sent<Prediction>[]) => {
    const rest = sent.filter(({ reply }) => reply.status !== 503);
    assert.ok(rest.length > sent.length / 2, `${rest.length} of ${sent.length} were not refused for load`);
    return rest;
  };
  const ended = (route: string) =>
    until(
      `the rollout of ${route} to end`,
      async () => {
        // Four of them ask at once, beside the load.
        await delay(100);
        const rollout = await client.rollout(route);
        return rollout.state !== "running" && rollout;
      },
      90_000,
    );
  const weightsOf = async (route: string) => {
    const { contracts, rollout } = (await client.route(route)).route;
    const versions = contracts[0]?.split.versions ?? [];
    return { ...Object.fromEntries(versions.map(({ version, weight }) => [version, weight])), held: rollout !== null };
  };
  const movesOf = async (route: string) => (await client.auditOf(route)).map(({ action }) => action).reverse();
  /** Aborted by this guard while there is load, in the log with the figures that say why; and back as it was. */
  const abortedBy = async (route: string, guard: string, plan: unknown = PLAN): Promise<Rollout> => {
    await client.putRoute(route, contract());
    const load = traffic(route);
    await client.startRollout(route, "2", plan);
    const rollout = await ended(route);
    const abortedAt = Date.now();
    const [last] = rollout.decisions;
    assert.deepEqual([rollout.state, rollout.percentage, last?.kind, last?.reason], ["aborted", 0, "abort", guard]);
    await until("the route to be let go", async () => !(await weightsOf(route)).held);
    assert.deepEqual(await weightsOf(route), { 1: 100, 2: 0, held: false });
    await until("10 s and one more to pass", () => Date.now() - abortedAt > TAKES_EFFECT_MS + 1_000);
    const sent = answered(await load.stop());
    assert.ok(
      sent.some(({ reply }) => reply.version === "2" || reply.status !== 200),
      "it never had any traffic",
    );
    for (const { at, reply } of sent) {
      if (at > abortedAt + TAKES_EFFECT_MS) assert.deepEqual([reply.status, reply.version], [200, "1"]);
    }
    assert.deepEqual(await movesOf(route), ["route.put", "rollout.start", "rollout.abort"]);
    const [entry] = await client.auditOf(route);
    assert.equal(entry?.actor, "rollout-controller");
    assert.ok((entry.after?.figures?.[`${guard}EValue`] ?? 0) >= 1e5, JSON.stringify(entry.after?.figures));
    return rollout;
  };

  describe("under a steady load", { concurrency: true }, () => {
    test("gives a good candidate all the traffic step by step, and each move is in the log", async (t) => {
      await client.putRoute("good", contract());
      const load = traffic("good");
      const { id } = await client.startRollout("good", "2", PLAN);
      assert.deepEqual(await weightsOf("good"), { 1: 70, 2: 30, held: true });
      const rollout = await ended("good");
      await until("all traffic to be the candidate's", async () => {
        const last = load.sent.slice(-50).filter(({ reply }) => reply.status === 200);
        return last.length > 25 && last.every(({ reply }) => reply.version === "2");
      });
      for (const { reply } of answered(await load.stop())) assert.equal(reply.status, 200, reply.error);
      assert.deepEqual([rollout.id, rollout.state, rollout.percentage], [id, "promoted", 100]);
      assert.deepEqual(await weightsOf("good"), { 1: 0, 2: 100, held: false });
      const moves = rollout.decisions.filter(({ kind }) => kind !== "hold").reverse();
      assert.deepEqual(
        moves.map(({ kind, reason, percentage }) => [kind, reason, percentage]),
        [
          ["start", parseApiKey(stack.adminKey)?.kid, 30],
          ["advance", "plan", 100],
          ["promote", "plan", 100],
        ],
      );
      assert.deepEqual(await movesOf("good"), ["route.put", "rollout.start", "rollout.advance", "rollout.promote"]);
      const [first, , last] = moves;
      t.diagnostic(`promoted after ${((last?.at ?? 0) - (first?.at ?? 0)) / 1_000} s`);
    });

    test("takes all traffic from a candidate that answers wrongly, and within ten seconds nobody gets it", async () => {
      const { figures } = await abortedBy("wrong", "agreement");
      assert.equal(figures.agreement, 0);
    });

    test("takes all traffic from a candidate that answers the same, but slowly", async () => {
      const { figures } = await abortedBy("slow", "p99Ratio");
      assert.equal(figures.agreement, 1);
      assert.ok((figures.candidateP50Ms ?? 0) > (figures.stableP50Ms ?? 0));
    });

    test("takes all traffic from a candidate whose answers are no finite numbers", async () => {
      const guards = { agreement: null, errorRatio: null, p99Ratio: null };
      const { figures } = await abortedBy("broken", "nonFinite", { ...PLAN, guards });
      assert.ok((figures.candidateNonFiniteRate ?? 0) > 0.9);
    });

    test("holds without traffic, and with too little of it, until an operator ends it", async () => {
      await client.putRoute("still", contract(), { model: "good" });
      await client.startRollout("still", "2", PLAN);
      const newest = async () => (await client.rollout("still", 1)).decisions[0];
      await until("it to look twice", async () => (await client.rollout("still")).decisions.length >= 3);
      const [second, first, start] = (await client.rollout("still")).decisions;
      assert.deepEqual([first?.kind, first?.reason, start?.kind], ["hold", "no_data", "start"]);
      assert.deepEqual([second?.kind, second?.reason], ["hold", "no_data"]);
      for (let which = 0; which < 10; which++) await client.infer("still", { key, x: row(which) });
      await until("it to see them", async () => (await newest())?.reason === "requests");
      assert.deepEqual(await weightsOf("still"), { 1: 70, 2: 30, held: true });
      await client.change("POST", "/routes/still/rollout/abort");
      const kid = parseApiKey(stack.adminKey)?.kid;
      const last = await newest();
      assert.deepEqual([last?.kind, last?.reason], ["abort", kid]);
      assert.deepEqual(await weightsOf("still"), { 1: 100, 2: 0, held: false });
      const [entry] = await client.auditOf("still");
      assert.deepEqual([entry?.action, entry?.actor], ["rollout.abort", kid]);
      assert.equal((await client.refused("POST", "/routes/still/rollout/abort")).code, "conflict");
    });
  });

  test("each move of the controller is in the log with the figures that it was decided by", async () => {
    const { decisions } = await client.rollout("good");
    const decided = decisions.filter(({ kind }) => kind === "promote" || kind === "advance");
    const logged = (await client.auditOf("good")).slice(0, decided.length);
    for (const [index, { kind, figures }] of decided.entries()) {
      assert.deepEqual([logged[index]?.actor, logged[index]?.action], ["rollout-controller", `rollout.${kind}`]);
      assert.ok((figures.candidateRequests ?? 0) >= PLAN.stepRequests);
      assert.deepEqual(logged[index]?.after?.figures, figures, kind);
    }
  });

  test("an operator may promote a candidate at once", async () => {
    await client.putRoute("hurried", contract(), { model: "good" });
    await client.startRollout("hurried", "2", PLAN);
    await client.change("POST", "/routes/hurried/rollout/promote");
    assert.deepEqual(await weightsOf("hurried"), { 1: 0, 2: 100, held: false });
    assert.equal((await client.rollout("hurried")).state, "promoted");
    assert.deepEqual(await movesOf("hurried"), ["route.put", "rollout.start", "rollout.promote"]);
    assert.equal((await client.refused("POST", "/routes/hurried/rollout/promote")).code, "conflict");
  });

  test("while it runs nobody else moves its route", async () => {
    const { revision } = await client.putRoute("held", contract(), { model: "good" });
    await client.startRollout("held", "2", PLAN);
    const now = await client.route("held");
    for (const given of [revision, now.revision]) {
      const sent = { revision: given, model: "good", contracts: contract() };
      const refusal = await client.refused("PUT", "/routes/held", sent);
      assert.deepEqual([refusal.status, refusal.code], [409, "conflict"]);
    }
    assert.equal((await client.refused("DELETE", "/routes/held")).code, "conflict");
    const another = await client.refused("POST", "/routes/held/rollout", { candidate: "2", plan: PLAN });
    assert.deepEqual([another.status, another.code], [409, "conflict"]);
    assert.deepEqual(await client.route("held"), now);
    await client.change("POST", "/routes/held/rollout/abort");
    await client.change("DELETE", "/routes/held");
  });

  test("does not begin with what could not work, and says why", async () => {
    const refusalOf = async (route: string, candidate: string, plan: unknown = PLAN) => {
      const { status, code, error } = await client.refused("POST", `/routes/${route}/rollout`, { candidate, plan });
      return [status, code, error].join(" ");
    };
    await client.putRoute("plain", contract(), { model: "good" });
    await client.putRoute("other", contract());
    const arms = ["1", "2"].map((version) => ({ name: `arm-${version}`, version, weight: 1 }));
    await client.putRoute("tried", contract({ experiment: { name: "e", arms } }), { model: "good" });
    assert.match(await refusalOf("nowhere", "2"), /^404 not_found/);
    assert.match(await refusalOf("plain", "9"), /^422 .* no node has version 9 of good/);
    assert.match(await refusalOf("plain", "1"), /^422 .* version 1 has all the traffic already/);
    assert.match(await refusalOf("other", "2"), /^422 .* input 'x': FP32\[-1,4\] becomes FP32\[-1,8\]: breaking/);
    assert.match(await refusalOf("tried", "2"), /^422 .* end it first/);
    assert.match(await refusalOf("plain", "2", { ...PLAN, shadowShare: 0 }), /^422 .* agreement needs shadows/);
    assert.match(await refusalOf("plain", "2", { ...PLAN, steps: [30, 20, 100] }), /^400 .* steps must ascend/);
    for (const route of ["plain", "other", "tried"]) {
      assert.deepEqual(await movesOf(route), ["route.put"]);
      assert.equal((await client.refused("GET", `/routes/${route}/rollout`)).status, 404);
    }
  });
});
