import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { directorySnapshotSchema, nodesOf, snapshotOf } from "../../protocol/directory-snapshot.ts";
import type { Announcement, NodeModel } from "../../protocol/pool-node.ts";
import { announceEveryMs, MOST_NODES, NodeDirectory } from "./node-directory.ts";

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
const live = ({ nodes }: NodeDirectory) => [...nodes.values()].filter((node) => node.live).map(({ node }) => node);

/** A directory that has heard these words, all at moment 0. */
function heard(...words: Announcement[]): NodeDirectory {
  const directory = new NodeDirectory();
  for (const word of words) directory.hear(word, 0);
  return directory;
}

describe("the directory of nodes", () => {
  test("a node is there as soon as it says so, and gone when it has been silent for three intervals", () => {
    const directory = heard(says("a", 1));
    assert.deepEqual(live(directory), ["a"]);
    assert.deepEqual(directory.sweep(LIFE_MS), { died: [], forgotten: [] });
    assert.deepEqual(
      directory.sweep(LIFE_MS + 1).died.map(({ node }) => node),
      ["a"],
    );
    assert.deepEqual(live(directory), []);
    assert.deepEqual(directory.sweep(LIFE_MS + 2).died, [], "it dies once");
  });

  test("one that leaves, or is not ready, gets no more requests at once", () => {
    for (const more of [{ leaving: true }, { ready: false }]) {
      const directory = heard(says("a", 1), says("b", 1), says("a", 2, more));
      assert.deepEqual(live(directory), ["b"]);
    }
  });

  test("an overtaken word changes nothing; a restart does, though it counts from the beginning", () => {
    const directory = heard(says("a", 5, { leaving: true }));
    assert.equal(directory.hear(says("a", 4), 1).changed, undefined);
    assert.deepEqual(live(directory), []);
    directory.hear(says("a", 0, { process: "process-2", startedAt: 2 }), 1);
    assert.deepEqual(live(directory), ["a"]);
  });

  test("a word of a process that has been replaced, sent again, changes nothing", () => {
    const directory = heard(says("a", 1, { process: "process-2", startedAt: 2, leaving: true }), says("a", 9));
    assert.deepEqual(live(directory), []);
  });

  test("a word without models counts where they are known, and asks for them where they are not", () => {
    const directory = new NodeDirectory();
    assert.ok(directory.hear(says("a", 1, { models: undefined }), 0).answer.modelsWanted);
    assert.equal(directory.nodes.size, 0);
    directory.hear(says("a", 1, { models: [model("m")] }), 0);
    const again = directory.hear(says("a", 2, { models: undefined }), 1);
    assert.deepEqual([again.changed?.models, again.answer.modelsWanted], [[model("m")], false]);
    const other = directory.hear(says("a", 3, { models: undefined, catalogue: "1".repeat(32) }), 2);
    assert.deepEqual([other.changed, other.answer.modelsWanted], [undefined, true]);
    assert.equal(directory.nodes.get("a")?.sequence, 2);
  });

  test("what a dead node had is remembered, then forgotten", () => {
    const directory = heard(says("a", 1));
    assert.deepEqual(directory.sweep(3_600_000).forgotten, []);
    assert.deepEqual(directory.sweep(3_600_001).forgotten, ["a"]);
    assert.equal(directory.nodes.size, 0);
  });

  test("the number of nodes is bounded, of the dead as well; many nodes speak less often and live longer", () => {
    const directory = heard(...Array.from({ length: MOST_NODES }, (_, node) => says(`n${node}`, 1)));
    const one = directory.hear(says("one-more", 1), 0);
    assert.deepEqual([one.changed, directory.nodes.size], [undefined, MOST_NODES]);
    assert.equal(one.answer.everyMs, 5_120);
    directory.sweep(3 * 5_120);
    assert.equal(live(directory).length, MOST_NODES);
    directory.sweep(3 * 5_120 + 1);
    assert.equal(directory.nodes.size, 256);
    assert.deepEqual([announceEveryMs(1), announceEveryMs(400), announceEveryMs(1_000)], [500, 500, 1_250]);
  });

  test("a snapshot and the catalogues give the nodes back; without its catalogue a node has no models", () => {
    const [one] = heard(says("a", 1, { models: [model("m")] })).nodes.values();
    assert.ok(one);
    const snapshot = directorySnapshotSchema.parse(JSON.parse(JSON.stringify(snapshotOf([one], 5))));
    assert.deepEqual(nodesOf(snapshot, new Map([[one.catalogue, one.models]])), [one]);
    assert.deepEqual(nodesOf(snapshot, new Map()), [{ ...one, models: [] }]);
  });
});
