import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { poolNodeSchema } from "../../shared/protocol/pool-node.ts";
import { type DescribedModel, NodeDescription } from "./node-description.ts";

const IDENTITY = { node: "a", device: "cpu", hardware: "cpu", provider: "cpu", startedAt: 1_760_000_000_000 };
const SCHEDULER = { load: { waitMs: 2.5, admissionLevel: 1, slots: 4 } };
const TENSOR = { name: "x", datatype: "FP32", shape: [-1, 4] } as const;

function model(name: string, version: string, changes: { digest?: string; maxBatch?: number } = {}): DescribedModel {
  const { digest = "a".repeat(64), maxBatch = 8 } = changes;
  return {
    identity: { name, version, digest, provider: "cpu", description: "", deterministic: true },
    maxBatch,
    signature: { inputs: [TENSOR], outputs: [{ ...TENSOR, name: "y" }] },
  };
}

/** A description of what is served now; the list may be replaced. */
function node(...served: DescribedModel[]) {
  const repository = { ready: true, models: served, served: () => [...repository.models] };
  return { repository, description: new NodeDescription(IDENTITY, repository, SCHEDULER) };
}

const catalogueOf = (...served: DescribedModel[]) => node(...served).description.catalogue;

describe("what a node says of itself", () => {
  test("is what the protocol asks for, models by name and version", () => {
    const { description } = node(model("b", "10"), model("b", "9"), model("a", "1"));
    const described = poolNodeSchema.parse(JSON.parse(JSON.stringify(description.describe(false))));
    assert.deepEqual(
      described.models.map(({ name, version }) => `${name}/${version}`),
      ["a/1", "b/9", "b/10"],
    );
    const { node: name, startedAt, ready, load, catalogue } = described;
    assert.deepEqual({ node: name, startedAt, ready, load }, { ...pick(IDENTITY), ready: true, ...SCHEDULER });
    assert.equal(catalogue, description.catalogue);
  });

  test("each word has a higher number, whichever kind it is, and all are of one process", () => {
    const { description } = node(model("a", "1"));
    const words = [description.status(false), description.describe(false), description.status(true)];
    assert.ok(words.every(({ sequence }, index) => index === 0 || sequence > words[index - 1]!.sequence));
    assert.equal(new Set(words.map(({ process }) => process)).size, 1);
    assert.notEqual(node().description.status(false).process, words[0]?.process);
  });

  test("it is ready when the repository is and it does not drain", () => {
    const { repository, description } = node();
    assert.equal(description.status(false).ready, true);
    assert.equal(description.status(true).ready, false);
    repository.ready = false;
    assert.equal(description.status(false).ready, false);
  });

  test("the order of loading does not show in the catalogue", () => {
    const all = [model("a", "1"), model("a", "2"), model("b", "1"), model("c", "12")];
    const catalogue = catalogueOf(...all);
    assert.match(catalogue, /^[0-9a-f]{32}$/);
    const orders = fc.shuffledSubarray(all, { minLength: all.length });
    fc.assert(fc.property(orders, (order) => assert.equal(catalogueOf(...order), catalogue)));
  });

  test("whatever differs in a model, or is there or not, makes another catalogue", () => {
    const lists = [
      [],
      [model("a", "1")],
      [model("a", "2")],
      [model("b", "1")],
      [model("a", "1"), model("a", "2")],
      [model("a", "1", { digest: "b".repeat(64) })],
      [model("a", "1", { maxBatch: 0 })],
      [{ ...model("a", "1"), signature: { inputs: [{ ...TENSOR, shape: [4] }], outputs: [] } }],
    ];
    assert.equal(new Set(lists.map((list) => catalogueOf(...list))).size, lists.length);
  });

  test("models are described anew only when others are served", () => {
    const { repository, description } = node(model("a", "1"));
    const { models } = description.describe(false);
    assert.equal(description.describe(false).models, models);
    const before = description.catalogue;
    repository.models = [model("a", "1", { digest: "b".repeat(64) })];
    assert.notEqual(description.catalogue, before);
    assert.equal(description.describe(false).models[0]?.digest, "b".repeat(64));
  });
});

function pick({ node: name, startedAt }: typeof IDENTITY) {
  return { node: name, startedAt };
}
