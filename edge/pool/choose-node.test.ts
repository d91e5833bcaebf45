import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KnownNode } from "../../shared/protocol/pool-node.ts";
import { knownNode, nodeModel } from "../../test/support/known-nodes.ts";
import { chooseNode } from "./choose-node.ts";
import { NodeStates } from "./node-states.ts";
import { PoolView } from "./pool-view.ts";

const model = nodeModel("m", "1");
const waiting = (waitMs: number): Partial<KnownNode> => ({ load: { waitMs, admissionLevel: 512, slots: 1 } });

function chooser(nodes: readonly KnownNode[], states = new NodeStates(), hardware: string | null = null) {
  const view = new PoolView(nodes, 0);
  states.follow(view);
  return (random: () => number = Math.random, tenant = "acme") => {
    const choice = chooseNode(view, view.capability("m")!, { tenant, hardware }, states, random, 0);
    return choice && "node" in choice ? choice : undefined;
  };
}

describe("the choice of a node", () => {
  test("goes to where the wait is predicted to be less", () => {
    const choose = chooser([knownNode("a", [model], waiting(40)), knownNode("b", [model], waiting(5))]);
    for (let request = 0; request < 50; request++) assert.equal(choose()?.node.node, "b");
  });

  test("goes by what a node said in its last reply, and by what was sent there since", () => {
    const states = new NodeStates();
    const choose = chooser([knownNode("a", [model], waiting(1)), knownNode("b", [model], waiting(20))], states);
    states.told("b", 0, 1);
    assert.equal(choose()?.node.node, "b");
    for (let request = 0; request < 4; request++) states.begun("b");
    assert.equal(choose()?.node.node, "a");
    for (let request = 0; request < 4; request++) states.ended("b", "answered", undefined, 2);
    assert.equal(choose()?.node.node, "b");
  });

  test("passes over the dead and the ejected, and turns to the spare one when nobody else is well", () => {
    const nodes = ["a", "b", "c"].map((name) => knownNode(name, [model]));
    const states = new NodeStates();
    const shard = chooser(nodes)()!.shard;
    const spare = ["a", "b", "c"].find((name) => !shard.includes(name))!;
    const dead = nodes.map((node) => (node.node === shard[0] ? { ...node, live: false } : node));
    const choose = chooser(dead, states);
    assert.equal(choose()?.node.node, shard[1]);
    for (let failure = 0; failure < 5; failure++) {
      states.begun(shard[1]!);
      states.ended(shard[1]!, "failed", undefined, 0);
    }
    const beyond = choose()!;
    assert.deepEqual([beyond.node.node, beyond.beyondShard, [...beyond.ejected]], [spare, true, [shard[1]]]);
  });

  test("a dead node that was ejected does not keep another one that fails from being left out", () => {
    const names = ["a", "b", "c"];
    const states = new NodeStates();
    const shard = chooser(names.map((name) => knownNode(name, [model])))()!.shard;
    const spare = names.find((name) => !shard.includes(name));
    const choose = chooser(
      names.map((name) => knownNode(name, [model], { live: name !== shard[0] })),
      states,
    );
    for (const name of shard) for (let failure = 0; failure < 5; failure++) states.ended(name, "failed", undefined, 0);
    assert.equal(choose()?.node.node, spare);
  });

  test("tries somebody all the same when what is known says that nobody is there", () => {
    assert.equal(chooser([knownNode("a", [model], { live: false })])()?.node.node, "a");
    assert.equal(chooser([knownNode("a", [model], { live: false, left: true })])(), undefined);
  });

  test("is none where no node is of the class that is asked for", () => {
    assert.equal(chooser([knownNode("a", [model])], new NodeStates(), "gpu")(), undefined);
  });

  test("a tenant whose requests kill whatever they reach takes no more than its shard and one", () => {
    const alive = new Set(Array.from({ length: 9 }, (_, index) => `n${index}`));
    const killed: string[] = [];
    for (let strike = 0; strike < 20; strike++) {
      const nodes = Array.from({ length: 9 }, (_, index) => `n${index}`).map((name) =>
        knownNode(name, [model], { live: alive.has(name) }),
      );
      const node = chooser(nodes)(Math.random, "poison")?.node.node;
      if (node !== undefined && alive.delete(node)) killed.push(node);
    }
    assert.equal(killed.length, 4, "three of nine, and the spare one");
  });

  test("a node that has come back begins anew", () => {
    const states = new NodeStates();
    const nodes = [knownNode("a", [model]), knownNode("b", [model])];
    chooser(nodes, states);
    for (let failure = 0; failure < 5; failure++) states.ended("a", "failed", undefined, 0);
    assert.deepEqual([...states.ejected(["a", "b"], 1)], ["a"]);
    chooser([knownNode("a", [model], { process: "another-one" }), knownNode("b", [model])], states);
    assert.deepEqual([...states.ejected(["a", "b"], 1)], []);
  });
});
