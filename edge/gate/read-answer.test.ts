import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { readAnswer } from "./read-answer.ts";

const DIGEST = "d".repeat(64);
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const signature = {
  inputs: [{ name: "x", datatype: "FP32" as const, shape: [-1, 2] }],
  outputs: [
    { name: "y", datatype: "FP32" as const, shape: [-1, 3] },
    { name: "z", datatype: "INT64" as const, shape: [-1] },
  ],
};
const model = { name: "m", version: "1", digest: DIGEST, deterministic: true, maxBatch: 8, signature };
const Y = { name: "y", datatype: "FP32", shape: [2, 3], data: [1, 2, 3, 4, 5, 6] };
const Z = { name: "z", datatype: "INT64", shape: [2], data: [1, 2] };

function read(outputs: readonly unknown[], requested?: readonly unknown[], artefact = DIGEST) {
  const input = { name: "x", datatype: "FP32", shape: [2, 2], data: [0, 0, 0, 0] };
  const request = decodeInferenceRequest(bytes({ inputs: [input], outputs: requested }), null);
  const answer = { body: bytes({ model_name: "m", model_version: "1", outputs }), headerLength: null, artefact };
  const routed = {
    capability: { model, nodes: [], set: "" },
    contract: undefined,
    decoded: { kind: "tensors" as const, request },
  };
  return readAnswer(answer, routed);
}

describe("a node's answer", () => {
  test("is taken when it is what the model owes, in any order, or what was asked for of it", () => {
    assert.equal(read([Y, Z]).outputs.length, 2);
    assert.equal(read([Z, Y]).outputs.length, 2);
    assert.equal(read([Z], [{ name: "z" }]).outputs.length, 1);
  });

  for (const [what, outputs] of Object.entries({
    "an output is missing": [Y],
    "an output is there twice": [Y, Y],
    "an output has another name": [Y, { ...Z, name: "w" }],
    "there is one output more": [Y, Z, { ...Z, name: "w" }],
    "another datatype": [Y, { ...Z, datatype: "INT32" }],
    "another rank": [Y, { ...Z, shape: [2, 1] }],
    "another size": [{ ...Y, shape: [3, 2] }, Z],
    "rows of somebody else": [{ ...Y, shape: [1, 3], data: [1, 2, 3] }, Z],
  })) {
    test(`is none when it is not: ${what}`, () => {
      assert.throws(() => read(outputs), { code: "bad_pool_response" });
    });
  }

  test("of an artefact that the edge does not know yet is held to its form alone", () => {
    assert.equal(read([Y], undefined, "e".repeat(64)).outputs.length, 1);
  });
});
