/** Which version answers under a route's name, as callers and operators see it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { StateFolder } from "../../infra/cli/state-folder.ts";
import { startLoneEdge } from "../support/lone-edge.ts";
import { type Prediction, type PredictionAsk, RouteClient, row } from "../support/route-client.ts";
import { ModelFolder, scaling } from "../support/scaling-models.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";

const TAKES_EFFECT_MS = 10_000;

/** A contract of which each version has its weight. */
function contract(weights: Readonly<Record<string, number>>, more: Readonly<Record<string, unknown>> = {}) {
  const versions = Object.entries(weights).map(([version, weight]) => ({ version, weight }));
  return { contract: 1, split: { versions }, ...more };
}

describe("a model route", () => {
  const models = new ModelFolder()
    // Version n multiplies by n; the third has a further output.
    .add("plain", [scaling(1), scaling(2), scaling(3, { further: true })], { deterministic: true })
    .add("wider", [scaling(1), scaling(2, { width: 8 })], { deterministic: true });
  const plain = { model: "plain" };
  let stack: TestStack;
  let client: RouteClient;
  let key: string;
  before(async () => {
    stack = await startTestStack([models.path]);
    client = new RouteClient(stack);
    key = await client.tenant("caller");
  });
  after(async () => {
    await stack.stop();
    models.remove();
  });

  const infer = (name: string, ask: Partial<PredictionAsk> = {}) => client.infer(name, { key, x: row(0), ...ask });
  /** The version that answered, which its answer must bear out. */
  const versionOf = async (name: string, ask: Partial<PredictionAsk> = {}, as = client) => {
    const { status, error, version, outputs } = await as.infer(name, { key, x: row(0), ...ask });
    assert.equal(status, 200, error);
    assert.deepEqual(
      outputs.y,
      (ask.x ?? row(0)).map((value) => value * Number(version)),
    );
    return version;
  };
  /** The versions that answer each of so many rows. */
  const versionsOf = async (name: string, rows: number, ask: Partial<PredictionAsk> = {}, as = client) => {
    const versions: (string | undefined)[] = [];
    for (let from = 0; from < rows; from += 16) {
      const some = Array.from({ length: Math.min(16, rows - from) }, (_, index) => from + index);
      versions.push(...(await Promise.all(some.map((which) => versionOf(name, { ...ask, x: row(which) }, as)))));
    }
    return versions;
  };

  test("weights of 90 and 10 give a tenth of 2,000 different inputs to the second, within three sigma", async () => {
    await client.putRoute("split", [contract({ 1: 90, 2: 10 })], plain);
    const second = (await versionsOf("split", 2_000)).filter((version) => version === "2").length;
    assert.ok(Math.abs(second - 200) <= 3 * Math.sqrt(2_000 * 0.9 * 0.1), `${second} of 2,000`);
  });

  test("equal inputs keep their version: as JSON or binary, from any tenant, at an edge that knows nothing of this one", async () => {
    const expected = await versionsOf("split", 200);
    assert.deepEqual(await versionsOf("split", 200, { binary: true }), expected);
    const other = await client.tenant("another-caller");
    assert.deepEqual(await versionsOf("split", 200, { key: other }), expected);
    const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-routes-"));
    const signingKeys = new StateFolder(stack.stateFolder).secrets().poolSigningKeys;
    const elsewhere = await startLoneEdge(stateFolder, { poolNodes: [stack.poolUrl], signingKeys });
    try {
      const there = new RouteClient(elsewhere);
      await there.putRoute("split", [contract({ 1: 90, 2: 10 })], plain);
      const stranger = await there.tenant("stranger");
      assert.deepEqual(await versionsOf("split", 200, { key: stranger }, there), expected);
    } finally {
      await elsewhere.stop();
      rmSync(stateFolder, { recursive: true, force: true });
    }
  });

  test("sticky by a header, a user keeps its version whatever is sent, and users are spread", async () => {
    const sticky = "header:x-user-id";
    const { split, ...rest } = contract({ 1: 50, 2: 50 });
    await client.putRoute("by-user", [{ ...rest, split: { ...split, sticky } }], plain);
    const byUser = await Promise.all(
      Array.from({ length: 16 }, (_, user) => versionsOf("by-user", 8, { headers: { "x-user-id": `user-${user}` } })),
    );
    for (const versions of byUser) assert.equal(new Set(versions).size, 1, versions.join());
    assert.equal(new Set(byUser.flat()).size, 2);
    assert.equal(new Set(await versionsOf("by-user", 32)).size, 2, "without the header the inputs decide");
  });

  test("a caller may pin a version by path or by header, but not two", async () => {
    await client.putRoute("pinned", [contract({ 1: 1 })], plain);
    assert.equal(await versionOf("pinned"), "1");
    assert.equal(await versionOf("pinned", { version: "2" }), "2");
    assert.equal(await versionOf("pinned", { headers: { "x-warmgate-version": "2" } }), "2");
    assert.equal(await versionOf("pinned", { version: "2", headers: { "x-warmgate-version": "2" } }), "2");
    const two = await infer("pinned", { version: "2", headers: { "x-warmgate-version": "1" } });
    assert.deepEqual([two.status, two.code], [400, "invalid_request"]);
    const missing = await infer("pinned", { version: "9" });
    assert.deepEqual([missing.status, missing.code], [404, "version_not_found"]);
  });

  test("the first rule that fits a tenant, a plan or a priority decides before the split", async () => {
    await client.change("PUT", "/plans/gold", {
      limits: {
        ...{ rate: null, concurrency: null, quotaPerDay: null, quotaPerMonth: null },
        maxBodyBytes: null,
        maxBatch: null,
      },
    });
    const named = await client.tenant("named");
    await client.change("POST", "/tenants", { id: "golden", plan: "gold" });
    const { key: golden } = await client.key("golden");
    const rules = [
      { when: { tenants: ["named"] }, version: "2" },
      { when: { plans: ["gold"], priorities: ["critical", "default"] }, version: "3" },
      { when: { priorities: ["batch"] }, version: "2" },
    ];
    await client.putRoute("ruled", [contract({ 1: 1 }, { rules })], plain);
    const batch = { parameters: { priority: 4 } };
    assert.equal(await versionOf("ruled"), "1");
    assert.equal(await versionOf("ruled", batch), "2");
    assert.equal(await versionOf("ruled", { key: named }), "2");
    assert.equal(await versionOf("ruled", { key: golden }), "3");
    assert.equal(await versionOf("ruled", { key: golden, ...batch }), "2");
  });

  test("an experiment names the arm in the reply, and a tenant stays in its arm", async () => {
    const arms = [
      { name: "control", version: "1", weight: 1 },
      { name: "faster", version: "2", weight: 1 },
    ];
    await client.putRoute(
      "tried",
      [contract({ 3: 1 }, { signature: { from: "1" }, experiment: { name: "speed", arms } })],
      plain,
    );
    const armOf = new Map([
      ["speed=control", "1"],
      ["speed=faster", "2"],
    ]);
    const seen = new Set<string>();
    for (let tenant = 0; tenant < 12; tenant++) {
      const own = await client.tenant(`patient-${tenant}`);
      const replies = await Promise.all([0, 1, 2, 3].map((which) => infer("tried", { key: own, x: row(which) })));
      const named = new Set(replies.map(({ headers }) => headers.get("x-warmgate-experiment") ?? ""));
      assert.equal(named.size, 1, [...named].join());
      for (const name of named) {
        seen.add(name);
        for (const { version } of replies) assert.equal(version, armOf.get(name));
      }
    }
    assert.deepEqual([...seen].sort(), [...armOf.keys()]);
  });

  test("a version that breaks the contract is refused with the difference, asked about or set, and nothing changes", async () => {
    const before = await client.putRoute("kept", [contract({ 1: 1 })], { model: "wider" });
    const change = { revision: before.revision, model: "wider", contracts: [contract({ 1: 1, 2: 1 })] };
    const refusal = await client.refused("PUT", "/routes/kept", change);
    assert.deepEqual([refusal.status, refusal.code], [422, "invalid_configuration"]);
    assert.match(
      refusal.error,
      /contract 1: version 2 does not keep it: input 'x': FP32\[-1,4\] becomes FP32\[-1,8\]: breaking/,
    );
    assert.match(refusal.error, /output 'y': FP32\[-1,4\] becomes FP32\[-1,8\]: breaking/);
    const asked = await client.check("kept", "2");
    assert.deepEqual([asked.contract, asked.compatible], [1, false]);
    assert.deepEqual(
      asked.differences.map(({ kind, tensor, breaking }) => `${kind} ${tensor} ${breaking}`),
      ["dimension_changed x true", "dimension_changed y true"],
    );
    assert.equal((await client.check("kept", "1")).compatible, true);
    for (const [query, status, code] of [
      ["version=9", 404, "version_not_found"],
      ["version=1&contract=2", 404, "contract_not_found"],
      ["version=new", 400, "invalid_request"],
      ["contract=1", 400, "invalid_request"],
    ] as const) {
      const told = await client.refused("GET", `/routes/kept/check?${query}`);
      assert.deepEqual([told.status, told.code], [status, code], query);
    }
    assert.equal((await client.refused("GET", "/routes/new/check?version=1")).status, 404);
    assert.deepEqual(await client.route("kept"), before);
    const missing = await client.refused("PUT", "/routes/new", {
      ...change,
      revision: 0,
      contracts: [contract({ 7: 1 })],
    });
    assert.match(missing.error, /no node has version 7 of wider; there are 1, 2/);
    assert.equal((await client.refused("GET", "/routes/new")).status, 404);
  });

  test("a version with a further output answers like one without, but to who pins it", async () => {
    await client.putRoute("grown", [contract({ 3: 1 }, { signature: { from: "1" } })], plain);
    const outputsOf = async (ask: Partial<PredictionAsk>) => Object.keys((await infer("grown", ask)).outputs).sort();
    assert.equal(await versionOf("grown"), "3");
    assert.deepEqual(await outputsOf({}), ["y"]);
    assert.deepEqual(await outputsOf({ version: "3" }), ["y", "z"]);
    assert.deepEqual(await outputsOf({ version: "3", outputs: ["z"] }), ["z"]);
    const named = await infer("grown", { outputs: ["z"] });
    assert.deepEqual([named.status, named.code], [400, "unknown_output"]);
  });

  test("a second contract is there for who names it, the oldest for everybody else; one that ends says so", async () => {
    const deprecation = { at: Date.UTC(2026, 0, 2), sunset: Date.UTC(2027, 5, 30), link: "https://example.org/moving" };
    const contracts = [contract({ 2: 1 }, { contract: 2 }), contract({ 1: 1 }, { deprecation })];
    await client.putRoute("two", contracts, { model: "wider" });
    const about = ({ headers }: Prediction) =>
      ["x-warmgate-contract", "deprecation", "sunset", "link"].map((name) => headers.get(name));
    const oldest = await infer("two");
    assert.deepEqual([oldest.status, oldest.version], [200, "1"]);
    assert.deepEqual(about(oldest), [
      ...["1", `@${deprecation.at / 1_000}`, "Wed, 30 Jun 2027 00:00:00 GMT"],
      '<https://example.org/moving>; rel="deprecation"; type="text/html"',
    ]);
    const newer = { "x-warmgate-contract": "2" };
    const second = await infer("two", { x: row(0, 8), headers: newer });
    assert.deepEqual([second.status, second.version, ...about(second)], [200, "2", "2", null, null, null]);
    const mixed = await infer("two", { x: row(0, 8) });
    assert.deepEqual([mixed.status, mixed.code], [400, "input_mismatch"]);
  });

  test("a contract that is not there is not found, of a route or of a model without one", async () => {
    const headers = { "x-warmgate-contract": "9" };
    for (const name of ["split", "plain"]) {
      const predicted = await infer(name, { headers });
      assert.deepEqual([predicted.status, predicted.code], [404, "contract_not_found"], name);
    }
    const described = await client.call("/v2/models/split", { key, headers });
    assert.deepEqual([described.status, /contract_not_found/.test(await described.text())], [404, true]);
  });

  test("a change takes effect within ten seconds, and of two at once one is refused", async (t) => {
    const before = await client.putRoute("moved", [contract({ 1: 1 })], plain);
    assert.equal(await versionOf("moved"), "1");
    const sent = { revision: before.revision, ...plain, contracts: [contract({ 2: 1 })] };
    const put = () => client.call("/admin/v1/routes/moved", { method: "PUT", body: JSON.stringify(sent) });
    const replies = await Promise.all([put(), put()]);
    const changedAt = Date.now();
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 409]);
    for (const reply of replies) {
      if (reply.status === 409) assert.match(await reply.text(), /"code":"conflict"/);
      else await reply.text();
    }
    const lastOld = await lastOf("1", "moved");
    t.diagnostic(`it took ${lastOld - changedAt} ms`);
    assert.ok(lastOld - changedAt < TAKES_EFFECT_MS);
  });

  test("a route that is removed leaves its name to the newest version of the model of that name", async () => {
    await client.putRoute("plain", [contract({ 1: 1 })]);
    await lastOf("3", "plain");
    assert.equal(await versionOf("plain"), "1");
    await client.change("DELETE", "/routes/plain");
    await lastOf("1", "plain");
    assert.equal(await versionOf("plain"), "3");
  });

  /** When a version answered last, once another one has answered for a while. */
  async function lastOf(version: string, name: string): Promise<number> {
    let last = Date.now();
    for (const giveUpAt = last + TAKES_EFFECT_MS + 5_000; Date.now() < giveUpAt; ) {
      if ((await versionOf(name)) === version) last = Date.now();
      else if (Date.now() - last > 500) return last;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`version ${version} still answers`);
  }

  test("under another name than the model's, only that name is seen and needed", async () => {
    await client.putRoute("alias", [contract({ 2: 1, 1: 0 })], plain);
    const own = await client.tenant("alias-only", {}, ["predict:alias"]);
    const { model, version } = await infer("alias", { key: own });
    assert.deepEqual([model, version], ["alias", "2"]);
    const about = async (suffix: string) => {
      const reply = await client.call(`/v2/models/alias${suffix}`, { key: own });
      assert.equal(reply.status, 200);
      return JSON.parse(await reply.text());
    };
    const { name, versions, inputs, outputs } = await about("");
    assert.deepEqual([name, versions], ["alias", ["1", "2"]]);
    assert.deepEqual(inputs, [{ name: "x", datatype: "FP32", shape: [-1, 4] }]);
    assert.deepEqual(outputs, [{ name: "y", datatype: "FP32", shape: [-1, 4] }]);
    assert.deepEqual(await about("/ready"), { name: "alias", ready: true });
    assert.equal((await about("/config")).name, "alias");
    assert.equal((await infer("plain", { key: own })).status, 403);
  });

  test("answers are shared between tenants where the route says so, and for as long as it says", async () => {
    await client.putRoute("shared", [contract({ 1: 1 })], { ...plain, cache: { scope: "shared", ttlSeconds: 200 } });
    await client.putRoute("own", [contract({ 1: 1 })], plain);
    const other = await client.tenant("second-in-line");
    const x = row(5_000);
    for (const name of ["shared", "own"]) assert.match((await infer(name, { x })).cache, /fwd=miss; stored/);
    const shared = (await infer("shared", { x, key: other })).cache;
    const [, ttl] = /^warmgate; hit; ttl=(\d+);/.exec(shared) ?? [];
    // It differs by a tenth at the most, so that not all of them end together; some seconds may have passed.
    assert.ok(Number(ttl) >= 175 && Number(ttl) <= 220, shared);
    assert.match((await infer("own", { x, key: other })).cache, /fwd=miss; stored/);
    assert.match((await infer("own", { x })).cache, /hit/);
  });
});
