/**
 * A model whose answer is its input after a calculation that takes a known time, so that what a node can do is decided by the model and
 * not by how fast this machine speaks HTTP. One row a run: a node's capacity is one over that time, whatever comes at once.
 */
import { FLOAT, floatTensor, model, node, valueInfo, weights } from "../../support/onnx-protobuf.ts";
import { ModelFolder } from "../../support/scaling-models.ts";
import { IDENTITY_INPUT, IDENTITY_OUTPUT, type IdentityModel } from "./identity-models.ts";

export const SLOW_IDENTITY: IdentityModel = { name: "slow_identity", datatype: "FP32" };

const ELEMENTS = 2;
const WIDTH = 512;
/** Too little to be added to any number from 1 on, and not so little that it would be left out. */
const NOTHING = 1e-30;

/** @param layers of 512 x 512, some 30 microseconds each; not for inputs that are 0 */
export function slowIdentity(layers: number): Uint8Array {
  const nodes = [node("MatMul", [IDENTITY_INPUT, "first"], ["layer0"])];
  for (let layer = 0; layer < layers; layer++) {
    nodes.push(node("MatMul", [`layer${layer}`, "weight"], [`sum${layer}`]));
    nodes.push(node("Tanh", [`sum${layer}`], [`layer${layer + 1}`]));
  }
  nodes.push(node("MatMul", [`layer${layers}`, "last"], ["nothing"]));
  nodes.push(node("Add", [IDENTITY_INPUT, "nothing"], [IDENTITY_OUTPUT]));
  return model({
    nodes,
    initializers: [
      floatTensor("first", [ELEMENTS, WIDTH], weights(ELEMENTS * WIDTH, ELEMENTS)),
      floatTensor("weight", [WIDTH, WIDTH], weights(WIDTH * WIDTH, WIDTH)),
      floatTensor("last", [WIDTH, ELEMENTS], new Float32Array(WIDTH * ELEMENTS).fill(NOTHING)),
    ],
    inputs: [valueInfo(IDENTITY_INPUT, FLOAT, ["batch", ELEMENTS])],
    outputs: [valueInfo(IDENTITY_OUTPUT, FLOAT, ["batch", ELEMENTS])],
  });
}

/** A repository with that model alone, never answered for from a cache. */
export function slowIdentityFolder(layers: number): ModelFolder {
  return new ModelFolder().add(SLOW_IDENTITY.name, [slowIdentity(layers)], { maxBatch: 1 });
}
