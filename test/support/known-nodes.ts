/** Nodes as the edge may know them, for tests of what it does with them. */
import type { KnownNode, NodeModel } from "../../shared/protocol/pool-node.ts";
import type { ModelSignature } from "../../shared/protocol/tensor.ts";

export const SIGNATURE: ModelSignature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};

/** @param letter of which its digest is made */
export function nodeModel(name: string, version: string, letter = "a", signature = SIGNATURE): NodeModel {
  return {
    ...{ name, version, digest: letter.repeat(64), deterministic: true, maxBatch: 8 },
    signature: {
      inputs: signature.inputs.map((spec) => ({ ...spec, shape: [...spec.shape] })),
      outputs: signature.outputs.map((spec) => ({ ...spec, shape: [...spec.shape] })),
    },
  };
}

/** Live, idle, heard of at moment 0. */
export function knownNode(node: string, models: NodeModel[], more: Partial<KnownNode> = {}): KnownNode {
  const catalogue = models.map(({ name, version, digest }) => `${name}${version}${digest[0]}`).join("");
  return {
    ...{ node, models, process: `process-of-${node}`, startedAt: 0, sequence: 1, url: `http://${node}:8000` },
    ...{ device: "cpu", hardware: "cpu", provider: "cpu", ready: true, live: true, left: false, seenAt: 0 },
    load: { waitMs: 0, admissionLevel: 512, slots: 1 },
    catalogue,
    ...more,
  };
}
