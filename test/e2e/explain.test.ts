/** Explanations: why a request was answered or refused as it was, and what would become of one that is not made. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type LoneEdge, startLoneEdge } from "../support/lone-edge.ts";
import { scrape } from "../support/pool-metrics.ts";
import { type PredictionAsk, RouteClient, row } from "../support/route-client.ts";
import { dividingByZero, ModelFolder, scaling } from "../support/scaling-models.ts";
import { SeveralNodes, type TestNode } from "../support/several-nodes.ts";
import { until } from "../support/until.ts";

const SCOPES = ["predict:*", "explain"];
const EXPLAIN = { "x-warmgate-explain": "1" };
const KEY_PREFIX = /^[0-9a-f]{16}$/;

describe("an explanation", () => {
  const models = new ModelFolder()
    .add("plain", [scaling(1), scaling(2)], { deterministic: true })
    .add("strict", [dividingByZero()], { nonFinite: "refuse" });
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-explain-"));
  let edge: LoneEdge;
  let several: SeveralNodes;
  let node: TestNode;
  let client: RouteClient;
  let key: string;
  let revision: number;
  before(async () => {
    edge = await startLoneEdge(stateFolder);
    client = new RouteClient(edge);
    several = new SeveralNodes(edge, [models.path]);
    node = await several.start("only", ["--hardware", "small"]);
    await until("the node to be known", async () => (await client.nodes()).some(({ live }) => live));
    key = await client.tenant("curious", { rate: { perSecond: 1_000, burst: 500 } }, SCOPES);
    const split = { versions: ["1", "2"].map((version) => ({ version, weight: 1 })) };
    const rules = [{ when: { tenants: ["ruled"] }, version: "2", hardware: "small" }];
    ({ revision } = await client.putRoute("halved", [{ contract: 1, split, rules }], { model: "plain" }));
  });
  after(async () => {
    await several.stop();
    await edge.stop();
    for (const folder of [models.path, stateFolder]) rmSync(folder, { recursive: true, force: true });
  });

  const infer = (ask: Partial<PredictionAsk> = {}, name = "halved") =>
    client.infer(name, { key, x: row(0), headers: EXPLAIN, ...ask });
  const dryRun = (ask: Partial<PredictionAsk> = {}) => infer({ headers: {}, verb: "explain", ...ask });
  const received = async () => (await scrape(node.pool)).get("warmgate_pool_requests_received_total") ?? 0;

  test("is for who has the scope, and for who asks as it is written", async () => {
    const plain = await client.tenant("incurious");
    for (const ask of [{ key: plain }, { key: plain, verb: "explain" } as const]) {
      const { status, code, headers } = await infer(ask);
      assert.deepEqual([status, code, headers.get("x-warmgate-explanation")], [403, "forbidden", null]);
    }
    const without = await infer({ key: plain, headers: {} });
    assert.deepEqual([without.status, without.explanation], [200, undefined]);
    for (const wish of ["0", "true", "1, 1"]) {
      const { status, code } = await infer({ headers: { "x-warmgate-explain": wish } });
      assert.deepEqual([status, code], [400, "invalid_request"], wish);
    }
  });

  test("of an answer that the pool made names the version, the node, the cache entry, the tries and the limits", async () => {
    const { version, cache, explanation } = await infer({ x: row(1) });
    assert.ok(explanation?.node);
    assert.deepEqual(explanation.route, { name: "halved", revision, contract: 1 });
    assert.deepEqual(explanation.version, {
      ...{ model: "plain", version, rule: { kind: "split" } },
      ...{ artefact: explanation.version?.artefact, available: ["2", "1"] },
    });
    assert.match(String(explanation.version?.artefact), KEY_PREFIX);
    const { chosen, hardware, shard, capable, asked } = explanation.node;
    assert.deepEqual([chosen, hardware, shard, capable, asked], ["only", "small", ["only"], 1, null]);
    assert.equal(cache, "warmgate; fwd=miss; stored");
    assert.equal(explanation.cache.status, cache);
    assert.match(explanation.cache.key ?? "", KEY_PREFIX);
    assert.deepEqual(
      explanation.attempts.map(({ node: name, outcome }) => [name, outcome]),
      [["only", "answered"]],
    );
    const [rate] = explanation.limits;
    assert.deepEqual([explanation.limits.length, rate?.kind, rate?.account, rate?.quota], [1, "rate", "tenant", 500]);
    assert.deepEqual(explanation.shed, { decision: "admitted", by: "pool" });
  });

  test("of an answer from the cache has the same entry, and no node", async () => {
    const made = await infer({ x: row(2) });
    const known = await infer({ x: row(2) });
    assert.match(known.cache, /^warmgate; hit/);
    assert.equal(known.explanation?.cache.status, known.cache);
    assert.equal(known.explanation?.cache.key, made.explanation?.cache.key);
    assert.deepEqual(known.explanation?.version, made.explanation?.version);
    assert.deepEqual([known.explanation?.node, known.explanation?.attempts], [null, []]);
  });

  test("of a pinned version says so, and keeps no contract", async () => {
    for (const pin of [{ version: "1" }, { headers: { ...EXPLAIN, "x-warmgate-version": "1" } }]) {
      const { explanation } = await infer({ x: row(3), ...pin });
      assert.deepEqual(explanation?.version?.rule, { kind: "pin" });
      assert.equal(explanation?.version?.version, "1");
      assert.deepEqual(explanation?.route, { name: "halved", revision, contract: null });
    }
  });

  test("of a refusal by a limit says which one, and that no node was asked", async () => {
    const hasty = await client.tenant("hasty", { rate: { perSecond: 0.01, burst: 2 } }, SCOPES);
    const refused = await until("a refusal", async () => {
      const reply = await infer({ key: hasty });
      return reply.status !== 200 && reply;
    });
    assert.deepEqual([refused.status, refused.code], [429, "rate_limited"]);
    const { limits, attempts, shed, version } = refused.explanation ?? {};
    assert.deepEqual(limits, [{ kind: "rate", account: "tenant", quota: 2, remaining: 0 }]);
    assert.deepEqual([attempts, version], [[], null]);
    assert.deepEqual(shed, { decision: "refused", by: "edge", code: "rate_limited" });
  });

  test("of a model's failure names the version and the node that failed", async () => {
    const { status, code, explanation } = await infer({}, "strict");
    assert.deepEqual([status, code], [500, "non_finite_output"]);
    assert.equal(explanation?.version?.version, "1");
    assert.deepEqual(
      explanation?.attempts.map(({ node: name, outcome }) => [name, outcome]),
      [["only", "non_finite_output"]],
    );
  });

  test("as a dry run foretells version and cache entry, and neither runs nor keeps anything", async () => {
    const seen = new Set<string | null | undefined>();
    for (let which = 100; which < 110; which++) {
      const x = row(which);
      const before = await received();
      const { status, error, headers, explanation: foretold } = await dryRun({ x });
      assert.equal(status, 200, error);
      assert.equal(headers.get("x-warmgate-explanation"), null);
      assert.equal(await received(), before, "the pool was asked");
      assert.deepEqual([foretold?.node?.chosen, foretold?.attempts], ["only", []]);
      assert.equal(foretold?.cache.status, "warmgate; fwd=miss");
      const real = await infer({ x });
      assert.equal(real.cache, "warmgate; fwd=miss; stored", "the dry run left something in the cache");
      assert.equal(real.version, foretold?.version?.version);
      assert.deepEqual(real.explanation?.version, foretold?.version);
      assert.equal(real.explanation?.cache.key, foretold?.cache.key);
      assert.match((await dryRun({ x })).explanation?.cache.status ?? "", /^warmgate; hit/);
      seen.add(foretold?.version?.version);
    }
    assert.deepEqual([...seen].sort(), ["1", "2"]);
    assert.deepEqual((await dryRun({ version: "2" })).explanation?.version?.rule, { kind: "pin" });
  });

  test("as a dry run refuses what the request would be refused for", async () => {
    const asks: [ask: Partial<PredictionAsk>, code: string][] = [
      [{ x: row(0, 5) }, "input_mismatch"],
      [{ headers: { "x-warmgate-contract": "2" } }, "contract_not_found"],
      [{ headers: { "x-warmgate-hardware": "large" } }, "hardware_unavailable"],
    ];
    for (const [ask, code] of asks) {
      assert.equal((await dryRun(ask)).code, code);
      assert.equal((await infer(ask)).code, code);
    }
  });

  test("as an operator's dry run for a tenant says what that tenant's own request would say", async () => {
    const ruled = await client.tenant("ruled", {}, SCOPES);
    const x = row(200);
    const before = await received();
    const [ofRuled, ofCurious] = [
      await client.foretell("ruled", "halved", x),
      await client.foretell("curious", "halved", x),
    ];
    assert.equal(await received(), before, "the pool was asked");
    assert.deepEqual(ofRuled.version?.rule, { kind: "rule", rule: 1 });
    assert.equal(ofRuled.node?.asked, "small");
    assert.deepEqual(ofCurious.version?.rule, { kind: "split" });
    assert.notEqual(ofRuled.cache.key, ofCurious.cache.key, "tenants don't share entries");
    for (const [foretold, as] of [[ofRuled, ruled] as const, [ofCurious, key] as const]) {
      const { explanation, cache } = await infer({ key: as, x });
      assert.equal(cache, "warmgate; fwd=miss; stored");
      assert.deepEqual(explanation?.version, foretold.version);
      assert.equal(explanation?.cache.key, foretold.cache.key);
    }
    const missing = await client.refused("POST", "/tenants/nobody/models/halved/explain", { inputs: [] });
    assert.equal(missing.code, "not_found");
  });
});
