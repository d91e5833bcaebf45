/** A route's fallback chain, step by step, as its nodes go away one after another and come back. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type LoneEdge, startLoneEdge } from "../support/lone-edge.ts";
import { type PredictionAsk, RouteClient, row } from "../support/route-client.ts";
import { ModelFolder, scaling } from "../support/scaling-models.ts";
import { SeveralNodes, type TestNode } from "../support/several-nodes.ts";
import { until } from "../support/until.ts";

describe("the fallback chain of a route", () => {
  // Version n multiplies by n.
  const settings = { deterministic: true };
  const firstOnly = new ModelFolder().add("plain", [scaling(1)], settings);
  const secondOnly = new ModelFolder().add("plain", [scaling(1), scaling(2)], settings);
  rmSync(join(secondOnly.path, "plain", "1"), { recursive: true });
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-fallback-"));
  const rule = { kind: "rule", outputs: { y: { expression: "0 - x[0]" } } };
  let edge: LoneEdge;
  let nodes: { first: SeveralNodes; second: SeveralNodes };
  let first: TestNode;
  let second: TestNode;
  let client: RouteClient;
  let key: string;

  before(async () => {
    edge = await startLoneEdge(stateFolder);
    nodes = { first: new SeveralNodes(edge, [firstOnly.path]), second: new SeveralNodes(edge, [secondOnly.path]) };
    first = await nodes.first.start("first");
    second = await nodes.second.start("second");
    client = new RouteClient(edge);
    key = await client.tenant("caller");
    const knownVersions = async () => (await client.nodes()).flatMap(({ models }) => models).length;
    await until("both nodes to be known", async () => (await knownVersions()) === 2);
    const split = { versions: [{ version: "2", weight: 1 }] };
    const fallback = [{ kind: "cached" }, { kind: "version", version: "1" }, rule];
    await client.putRoute("falling", [{ contract: 1, split, fallback }], { model: "plain" });
  });
  after(async () => {
    await nodes.first.stop();
    await nodes.second.stop();
    await edge.stop();
    for (const folder of [firstOnly, secondOnly]) folder.remove();
    rmSync(stateFolder, { recursive: true, force: true });
  });

  const ask = (which: number, more: Partial<PredictionAsk> = {}) =>
    client.infer("falling", { key, x: row(which), ...more });
  async function answered(
    which: number,
    expected: { by: string; how: string | null },
    more: Partial<PredictionAsk> = {},
  ) {
    const { status, error, version, headers, outputs } = await ask(which, more);
    assert.equal(status, 200, error);
    assert.deepEqual({ by: version, how: headers.get("x-warmgate-degraded") }, expected);
    const factor = expected.by === "rule" ? undefined : Number(expected.by);
    const x = row(which);
    assert.deepEqual(outputs.y, factor === undefined ? x.map(() => -(x[0] ?? 0)) : x.map((value) => value * factor));
    return headers;
  }

  test("has no part while the version that was chosen answers", async () => {
    const headers = await answered(0, { by: "2", how: null });
    assert.notEqual(headers.get("etag"), null);
  });

  test("asks the next version when the chosen one's node is gone, says so, and gives the answer no tag", async () => {
    await second.kill();
    const headers = await answered(1, { by: "1", how: "version;version=1" });
    assert.equal(headers.get("etag"), null);
    assert.match(headers.get("cache-control") ?? "", /no-store/);
  });

  test("prefers what another version has answered before, unless the caller wants no answer out of a cache", async () => {
    await answered(1, { by: "1", how: "cached;version=1" });
    await answered(1, { by: "1", how: "version;version=1" }, { headers: { "cache-control": "no-cache" } });
  });

  test("leaves alone what the chosen version itself has answered before", async () => {
    await answered(0, { by: "2", how: null });
  });

  test("is not for who pins a version", async () => {
    const { status, code } = await ask(1, { headers: { "x-warmgate-version": "2" } });
    assert.deepEqual({ status, code }, { status: 503, code: "pool_unavailable" });
  });

  test("does not hide that a request is wrong", async () => {
    assert.equal((await ask(1, { x: [1] })).status, 400);
  });

  test("is in the explanation", async () => {
    const { key: explaining } = await client.key("caller", { scopes: ["predict:*", "explain"] });
    const { explanation } = await ask(2, { key: explaining, headers: { "x-warmgate-explain": "1" } });
    assert.equal(explanation?.degraded, "version;version=1");
  });

  test("ends with the rule when no node is left", async () => {
    await first.kill();
    await answered(3, { by: "rule", how: "rule" });
  });

  test("ends by itself: a degraded answer was kept as nobody else's", async () => {
    second = await nodes.second.start("second");
    await until("the version that is chosen", async () => (await ask(4)).headers.get("x-warmgate-degraded") === null);
    for (const which of [1, 2, 3]) await answered(which, { by: "2", how: null });
  });

  test("that leads back to what has failed, or has a step that cannot be, is refused", async () => {
    const refused = async (fallback: unknown) => {
      const split = { versions: [{ version: "2", weight: 1 }] };
      const body = { revision: 0, model: "plain", contracts: [{ contract: 1, split, fallback }] };
      return (await client.refused("PUT", "/routes/wrong", body)).error;
    };
    assert.match(await refused([{ kind: "version", version: "2" }]), /leads back to what has failed/);
    assert.match(await refused([{ kind: "cached" }, { kind: "cached" }]), /twice/);
    assert.match(await refused([rule, { kind: "cached" }]), /behind a rule/);
    assert.match(await refused([{ kind: "rule", outputs: { z: { constant: 0 } } }]), /'z'.*no output/);
    assert.match(await refused([{ kind: "rule", outputs: { y: { expression: "w + 1" } } }]), /'w'.*no input/);
  });
});
