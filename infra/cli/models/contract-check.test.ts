import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { checkContract } from "../../../shared/protocol/contract-check.ts";
import type { ModelSignature, TensorSpec } from "../../../shared/protocol/tensor.ts";
import { describeCheck } from "./contract-check.ts";

const specs: fc.Arbitrary<TensorSpec[]> = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom("a", "b", "c"),
    datatype: fc.constantFrom("FP32" as const, "INT64" as const),
    shape: fc.array(fc.constantFrom(-1, 1, 8), { maxLength: 3 }),
  }),
  { selector: ({ name }) => name },
);
const signature: fc.Arbitrary<ModelSignature> = fc.record({ inputs: specs, outputs: specs });

describe("the contract check", () => {
  test("a signature keeps itself", () => {
    fc.assert(
      fc.property(signature, (same) => {
        assert.deepEqual(checkContract(same, same), { compatible: true, differences: [] });
      }),
    );
  });

  test("it is compatible when nothing breaks, and each difference tells what was and what is", () => {
    fc.assert(
      fc.property(signature, signature, (contract, version) => {
        const { compatible, differences } = checkContract(contract, version);
        assert.equal(compatible, !differences.some(({ breaking }) => breaking));
        for (const { kind, side, tensor, from, to } of differences) {
          const form = (specs: readonly TensorSpec[]) => {
            const found = specs.find(({ name }) => name === tensor);
            return found ? { datatype: found.datatype, shape: found.shape } : null;
          };
          assert.deepEqual(from, form(contract[`${side}s`]));
          assert.deepEqual(to, form(version[`${side}s`]));
          assert.equal(from === null, kind.endsWith("_added"));
          assert.equal(to === null, kind.endsWith("_removed"));
        }
      }),
    );
  });

  test("the table has a line for each difference, then the verdict", () => {
    const pixels = { name: "pixels", datatype: "FP32" as const, shape: [-1, 64] };
    const score = { name: "score", datatype: "FP32" as const, shape: [-1] };
    const text = describeCheck(checkContract({ inputs: [pixels], outputs: [] }, { inputs: [], outputs: [score] }));
    assert.match(text, /^input pixels +removed +FP32\[-1,64\] +- +breaking$/m);
    assert.match(text, /^output score +added +- +FP32\[-1\] +additive$/m);
    assert.match(text, /Not compatible: 1 of 2 differences/);
  });
});
