import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { nodesOf, snapshotOf } from "../../protocol/directory-snapshot.ts";
import type { Announcement, NodeModel } from "../../protocol/pool-node.ts";
import { announced, announceEveryMs, MOST_NODES, NO_NODES, type NodeDirectory, swept } from "./node-directory.ts";

const LIFE_MS = 1_500;
const model = (name: string): NodeModel => ({
  ...{ name, version: "1", digest: "0".repeat(64), deterministic: true, maxBatch: 8 },
  signature: { inputs: [], outputs: [] },
});

interface More {
  readonly process?: string;
  readonly startedAt?: number;
  readonly leaving?: boolean;
  readonly ready?: boolean;
  readonly models?: NodeModel[] | undefined;
  readonly catalogue?: string;
}

function says(node: string, sequence: number, more: More = {}): Announcement {
  const models = "models" in more ? more.models : [];
  return {
    url: `http://${node}:8000`,
    leaving: more.leaving ?? false,
    status: {
      ...{ node, sequence, process: more.process ?? "process-1", startedAt: more.startedAt ?? 1 },
      ...{ ready: more.ready ?? true, device: "cpu", hardware: "cpu", provider: "cpu" },
      ...{ catalogue: more.catalogue ?? "0".repeat(32), load: { waitMs: 0, admissionLevel: 512, slots: 1 } },
    },
    ...(models === undefined ? {} : { models }),
  };
}
const hears = (directory: NodeDirectory, announcement: Announcement, now: number) =>
  announced(directory, announcement, now).directory;
const live = (directory: NodeDirectory) => [...directory.values()].filter((node) => node.live).map(({ node }) => node);

describe("the directory of nodes", () => {
  test("a node is there as soon as it says so, and gone when it has been silent for three intervals", () => {
    const directory = hears(NO_NODES, says("a", 1), 0);
    assert.deepEqual(live(directory), ["a"]);
    assert.deepEqual(live(swept(directory, LIFE_MS)), ["a"]);
    assert.deepEqual(live(swept(directory, LIFE_MS + 1)), []);
  });

  test("one that leaves, or is not ready, gets no more requests at once", () => {
    const directory = hears(hears(NO_NODES, says("a", 1), 0), says("b", 1), 0);
    assert.deepEqual(live(hears(directory, says("a", 2, { leaving: true }), 1)), ["b"]);
    assert.deepEqual(live(hears(directory, says("a", 2, { ready: false }), 1)), ["b"]);
  });

  test("an overtaken word changes nothing; a restart does, though it counts from the beginning", () => {
    const directory = hears(NO_NODES, says("a", 5, { leaving: true }), 0);
    assert.deepEqual(live(hears(directory, says("a", 4), 1)), []);
    assert.deepEqual(live(hears(directory, says("a", 0, { process: "process-2", startedAt: 2 }), 1)), ["a"]);
  });

  test("a word of a process that has been replaced, sent again, changes nothing", () => {
    const later = hears(NO_NODES, says("a", 1, { process: "process-2", startedAt: 2, leaving: true }), 0);
    assert.deepEqual(live(hears(later, says("a", 9), 1)), []);
  });

  test("a word without models counts where they are known, and asks for them where they are not", () => {
    const unknown = announced(NO_NODES, says("a", 1, { models: undefined }), 0);
    assert.deepEqual([unknown.directory.size, unknown.answer.modelsWanted], [0, true]);
    const directory = hears(NO_NODES, says("a", 1, { models: [model("m")] }), 0);
    const again = announced(directory, says("a", 2, { models: undefined }), 1);
    assert.deepEqual([again.directory.get("a")?.models, again.answer.modelsWanted], [[model("m")], false]);
    const changed = announced(directory, says("a", 2, { models: undefined, catalogue: "1".repeat(32) }), 1);
    assert.deepEqual([changed.directory, changed.answer.modelsWanted], [directory, true]);
  });

  test("what a dead node had is remembered, then forgotten", () => {
    const directory = hears(NO_NODES, says("a", 1), 0);
    assert.equal(swept(directory, 3_600_000).size, 1);
    assert.equal(swept(directory, 3_600_001).size, 0);
  });

  test("the number of nodes is bounded, of the dead as well; many nodes speak less often and live longer", () => {
    let directory: NodeDirectory = NO_NODES;
    const many = new Map<string, never>();
    const [one] = hears(NO_NODES, says("a", 1), 0).values();
    for (let node = 0; node < MOST_NODES; node++) {
      directory = many.set(`n${node}`, { ...one, node: `n${node}` } as never);
    }
    const heard = announced(directory, says("one-more", 1), 0);
    assert.equal(heard.directory.size, MOST_NODES);
    assert.equal(heard.answer.everyMs, 5_120);
    assert.equal(live(swept(directory, 3 * 5_120)).length, MOST_NODES);
    assert.equal(swept(directory, 3 * 5_120 + 1).size, 256);
    assert.deepEqual([announceEveryMs(1), announceEveryMs(400), announceEveryMs(1_000)], [500, 500, 1_250]);
  });

  test("a snapshot has every node's models, those in common once", () => {
    const lists = fc.array(fc.array(fc.constantFrom("m", "n", "o").map(model), { maxLength: 3 }), { maxLength: 8 });
    fc.assert(
      fc.property(lists, (models) => {
        let directory = NO_NODES;
        for (const [index, own] of models.entries()) {
          const catalogue = own
            .map(({ name }) => name.charCodeAt(0))
            .join("")
            .padEnd(32, "0");
          directory = hears(directory, says(`n${index}`, 1, { models: own, catalogue }), 0);
        }
        const nodes = [...directory.values()];
        const snapshot = snapshotOf(nodes, 5);
        assert.deepEqual(nodesOf(snapshot), nodes);
        assert.equal(snapshot.models.length, new Set(models.flat().map(({ name }) => name)).size);
      }),
    );
  });
});
