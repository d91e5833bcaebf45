import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Announcement } from "../../protocol/pool-node.ts";
import { announced, MOST_NODES, NO_NODES, NODE_LIFE_MS, type NodeDirectory, swept } from "./node-directory.ts";

const says = (
  node: string,
  sequence: number,
  more: { process?: string; leaving?: boolean; ready?: boolean } = {},
): Announcement => ({
  url: `http://${node}:8000`,
  leaving: more.leaving ?? false,
  description: {
    ...{ node, sequence, process: more.process ?? "process-1", ready: more.ready ?? true },
    ...{ device: "cpu", hardware: "cpu", provider: "cpu", models: [] },
    load: { waitMs: 0, admissionLevel: 512, slots: 1 },
  },
});
const live = (directory: NodeDirectory) => [...directory.values()].filter((node) => node.live).map(({ node }) => node);

describe("the directory of nodes", () => {
  test("a node is there as soon as it says so, and gone when it has been silent for its life", () => {
    const directory = announced(NO_NODES, says("a", 1), 0);
    assert.deepEqual(live(directory), ["a"]);
    assert.deepEqual(live(swept(directory, NODE_LIFE_MS)), ["a"]);
    assert.deepEqual(live(swept(directory, NODE_LIFE_MS + 1)), []);
  });

  test("one that leaves, or is not ready, gets no more requests at once", () => {
    const directory = announced(announced(NO_NODES, says("a", 1), 0), says("b", 1), 0);
    assert.deepEqual(live(announced(directory, says("a", 2, { leaving: true }), 1)), ["b"]);
    assert.deepEqual(live(announced(directory, says("a", 2, { ready: false }), 1)), ["b"]);
  });

  test("an overtaken word changes nothing; a restart does, though it counts from the beginning", () => {
    const directory = announced(NO_NODES, says("a", 5, { leaving: true }), 0);
    assert.deepEqual(live(announced(directory, says("a", 4), 1)), []);
    assert.deepEqual(live(announced(directory, says("a", 0, { process: "process-2" }), 1)), ["a"]);
  });

  test("what a dead node had is remembered, then forgotten", () => {
    const directory = announced(NO_NODES, says("a", 1), 0);
    assert.equal(swept(directory, 3_600_000).size, 1);
    assert.equal(swept(directory, 3_600_001).size, 0);
  });

  test("the number of nodes is bounded, of the dead as well", () => {
    let directory: NodeDirectory = NO_NODES;
    for (let node = 0; node < MOST_NODES; node++) directory = new Map(directory).set(`n${node}`, knownNode(node));
    assert.equal(announced(directory, says("one-more", 1), 0).size, MOST_NODES);
    assert.equal(swept(directory, 10_000).size, 256);
  });

  const knownNode = (at: number) => ({ ...says(`n${at}`, 1).description, url: "http://n", seenAt: 0, live: true });
});
