import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { canonicalBytes, type Prediction, predictionKey } from "./prediction-key.ts";

const name = fc.oneof(
  fc.constantFrom("a", "b", "ab", "", "tenant", "shared"),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const tensor: fc.Arbitrary<Tensor> = fc.record({
  name,
  datatype: fc.constantFrom("FP32" as const, "INT32" as const, "UINT8" as const),
  shape: fc.array(fc.nat(3), { maxLength: 3 }),
  bytes: fc.uint8Array({ maxLength: 6 }),
});
const prediction: fc.Arbitrary<Prediction> = fc.record({
  scope: fc.oneof(fc.constant("shared" as const), fc.record({ tenant: name })),
  artefact: fc.constantFrom("aa", "ab", "b"),
  inputs: fc.uniqueArray(tensor, { maxLength: 3, selector: (one) => one.name }),
  outputs: fc.uniqueArray(name, { maxLength: 3 }),
});

/** Equal if and only if the same answer is owed; written without any encoding. */
function meaning({ scope, artefact, inputs, outputs }: Prediction): unknown {
  const byName = (a: { readonly name: string }, b: { readonly name: string }) => (a.name < b.name ? -1 : 1);
  return {
    scope,
    artefact,
    outputs: outputs.toSorted(),
    inputs: inputs.toSorted(byName).map((input) => ({ ...input, bytes: [...input.bytes] })),
  };
}

const BASE: Prediction = {
  scope: { tenant: "acme" },
  artefact: "a1",
  inputs: [
    { name: "x", datatype: "FP32", shape: [1, 2], bytes: new Uint8Array([0, 0, 0, 0, 0, 0, 128, 63]) },
    { name: "y", datatype: "INT32", shape: [1], bytes: new Uint8Array([1, 0, 0, 0]) },
  ],
  outputs: ["p", "q"],
};

describe("the key of a prediction", () => {
  test("two predictions have the same bytes if and only if the same answer is owed", () => {
    fc.assert(
      fc.property(prediction, prediction, (one, other) => {
        const same = Buffer.compare(canonicalBytes(one), canonicalBytes(other)) === 0;
        assert.equal(same, JSON.stringify(meaning(one)) === JSON.stringify(meaning(other)));
      }),
      { numRuns: 20_000 },
    );
  });

  test("the order of inputs and outputs does not matter", async () => {
    const turned = { ...BASE, inputs: BASE.inputs.toReversed(), outputs: BASE.outputs.toReversed() };
    assert.equal(await predictionKey(turned), await predictionKey(BASE));
  });

  const changed: Record<string, Partial<Prediction>> = {
    "another tenant": { scope: { tenant: "acmf" } },
    everybody: { scope: "shared" },
    "a tenant named like everybody": { scope: { tenant: "shared" } },
    "another artefact": { artefact: "a2" },
    "fewer outputs": { outputs: ["p"] },
    "minus zero": {
      inputs: [{ ...BASE.inputs[0]!, bytes: new Uint8Array([0, 0, 0, 128, 0, 0, 128, 63]) }, BASE.inputs[1]!],
    },
    "another datatype of the same bits": { inputs: [{ ...BASE.inputs[0]!, datatype: "INT32" }, BASE.inputs[1]!] },
    "another shape of the same bytes": { inputs: [{ ...BASE.inputs[0]!, shape: [2, 1] }, BASE.inputs[1]!] },
    "another name": { inputs: [{ ...BASE.inputs[0]!, name: "z" }, BASE.inputs[1]!] },
  };
  for (const [what, change] of Object.entries(changed)) {
    test(`${what} has a key of its own`, async () => {
      assert.notEqual(await predictionKey({ ...BASE, ...change }), await predictionKey(BASE));
    });
  }

  test("is stable from release to release", async () => {
    assert.equal(await predictionKey(BASE), "2aa25610ef04e0eea99c0c4c1c020beae3cba2f31420d81060659b2dd8bed569");
  });
});
