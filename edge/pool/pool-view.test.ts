import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { knownNode, nodeModel } from "../../test/support/known-nodes.ts";
import { PoolView } from "./pool-view.ts";

const nodesOf = (view: PoolView, model: string, version?: string) =>
  view.capability(model, version)?.nodes.map(({ node }) => node);

describe("the view of the pool", () => {
  const m1 = nodeModel("m", "1");
  const m2 = nodeModel("m", "2", "b");
  const m10 = nodeModel("m", "10", "c");

  test("knows who has which version, and the newest by number", () => {
    const view = new PoolView([knownNode("a", [m1, m10]), knownNode("b", [m2]), knownNode("c", [m1, m10])], 0);
    assert.deepEqual(view.versions("m"), ["10", "2", "1"]);
    assert.deepEqual(nodesOf(view, "m"), ["a", "c"]);
    assert.deepEqual(nodesOf(view, "m", "2"), ["b"]);
    assert.equal(view.capability("m", "3"), undefined);
    assert.equal(view.capability("other"), undefined);
    assert.deepEqual(view.versions("other"), []);
  });

  test("of two artefacts under one number the one counts that most live nodes have", () => {
    const replaced = nodeModel("m", "1", "z");
    const of = (live: boolean) =>
      new PoolView([knownNode("a", [m1]), knownNode("b", [replaced]), knownNode("c", [replaced], { live })], 0);
    assert.equal(of(true).capability("m", "1")?.model.digest, replaced.digest);
    assert.equal(of(false).capability("m", "1")?.model.digest, m1.digest);
    assert.deepEqual(nodesOf(of(true), "m", "1"), ["b", "c"]);
  });

  test("what a dead node has stays known", () => {
    const view = new PoolView([knownNode("a", [m1], { live: false })], 3_000_000);
    assert.equal(view.capability("m", "1")?.model.digest, m1.digest);
  });

  test("a tenant has few of many nodes, another one others, and each always the same", () => {
    const nodes = Array.from({ length: 16 }, (_, index) => knownNode(`n${index}`, [m1]));
    const view = new PoolView(nodes, 0);
    const capability = view.capability("m")!;
    const { own, spare } = view.shard("acme", capability, null);
    assert.equal(own.length, 4);
    assert.ok(spare !== undefined && !own.includes(spare));
    assert.notDeepEqual(view.shard("umbrella", capability, null).own, own);
    const later = new PoolView(nodes.toReversed(), 1_000);
    assert.deepEqual(later.shard("acme", later.capability("m")!, null), { own, spare });
  });

  test("a class of hardware narrows the shard, and one that nobody has leaves nothing", () => {
    const view = new PoolView([knownNode("a", [m1]), knownNode("b", [m1], { hardware: "gpu" })], 0);
    const capability = view.capability("m")!;
    assert.deepEqual(view.shard("acme", capability, "gpu"), { own: ["b"], spare: undefined });
    assert.deepEqual(view.shard("acme", capability, "tpu"), { own: [], spare: undefined });
    assert.deepEqual(view.shard("acme", capability, null).own.toSorted(), ["a", "b"]);
  });

  test("a node that died keeps its place for a minute, one that left has none", () => {
    const shardAt = (now: number, left: boolean) => {
      const view = new PoolView([knownNode("a", [m1]), knownNode("b", [m1], { live: false, left })], now);
      return view.shard("acme", view.capability("m")!, null).own.toSorted();
    };
    assert.deepEqual(shardAt(59_999, false), ["a", "b"]);
    assert.deepEqual(shardAt(60_000, false), ["a"]);
    assert.deepEqual(shardAt(1, true), ["a"]);
  });

  test("shards are made anew when somebody comes, and not when only loads change", () => {
    const first = new PoolView([knownNode("a", [m1])], 0);
    assert.deepEqual(first.shard("acme", first.capability("m")!, null).own, ["a"]);
    const busy = knownNode("a", [m1], { load: { waitMs: 50, admissionLevel: 1, slots: 1 } });
    const second = new PoolView([busy], 1_000, first);
    const kept = second.shard("acme", second.capability("m")!, null);
    assert.equal(kept, first.shard("acme", first.capability("m")!, null));
    const third = new PoolView([busy, knownNode("b", [m1])], 2_000, second);
    assert.deepEqual(third.shard("acme", third.capability("m")!, null).own.toSorted(), ["a", "b"]);
  });
});
