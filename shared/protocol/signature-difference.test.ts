import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { checkInputs } from "./signature.ts";
import {
  describeDifference,
  isCompatible,
  type SignatureDifference,
  signatureDifferences,
} from "./signature-difference.ts";
import type { ModelSignature, Tensor, TensorSpec } from "./tensor.ts";

const CONTRACT: ModelSignature = {
  inputs: [
    { name: "pixels", datatype: "FP32", shape: [-1, 64] },
    { name: "lengths", datatype: "INT64", shape: [-1] },
  ],
  outputs: [
    { name: "scores", datatype: "FP32", shape: [-1, 10] },
    { name: "labels", datatype: "BYTES", shape: [-1, -1] },
  ],
};
/** Of no dimension that the random signatures below have. */
const OTHER_SIZE = 97;

// Few names, datatypes and sizes, so that random signatures are often compatible and differ in one thing.
const spec = fc.record<TensorSpec>({
  name: fc.constantFrom("a", "b", "c"),
  datatype: fc.constantFrom("FP32", "INT64"),
  shape: fc.array(fc.constantFrom(-1, -1, 0, 4), { maxLength: 2 }),
});
const specs = fc.uniqueArray(spec, { selector: ({ name }) => name, maxLength: 3 });
const signature = fc.record<ModelSignature>({ inputs: specs, outputs: specs });
/** Another dimension here and there, which a quarter of the time leaves a signature compatible. */
const signaturePair = signature.chain((contract) =>
  fc.tuple(fc.constant(contract), fc.oneof(loosened(contract), signature)),
);

function loosened(contract: ModelSignature): fc.Arbitrary<ModelSignature> {
  const changed = (specs: readonly TensorSpec[]) =>
    fc.tuple(
      ...specs.map(({ shape, ...spec }) =>
        fc
          .tuple(...shape.map((dimension) => fc.constantFrom(dimension, dimension, -1, 4)))
          .map((shape): TensorSpec => ({ ...spec, shape })),
      ),
    );
  return fc.record({ inputs: changed(contract.inputs), outputs: changed(contract.outputs) });
}

/** Tensors of the declared forms; what varies has the sizes given, in turn. */
function tensorsOf(specs: readonly TensorSpec[], sizes: readonly number[]): Tensor[] {
  let at = 0;
  const sized = (dimension: number) => (dimension === -1 ? sizes[at++ % sizes.length]! : dimension);
  return specs.map((spec) => ({ ...spec, shape: spec.shape.map(sized), bytes: new Uint8Array(0) }));
}

function accepts(specs: readonly TensorSpec[], tensors: readonly Tensor[]): boolean {
  try {
    checkInputs({ inputs: specs, outputs: [] }, tensors);
    return true;
  } catch {
    return false;
  }
}

/** Answers are what callers take: all that the contract promised is there as promised. */
function satisfies(contract: readonly TensorSpec[], answers: readonly Tensor[]): boolean {
  return accepts(
    contract,
    answers.filter(({ name }) => contract.some((spec) => spec.name === name)),
  );
}

describe("differences of signatures", () => {
  test("a signature differs from itself in nothing, in whatever order its tensors come", () => {
    const reordered = signature.chain(({ inputs, outputs }) =>
      fc.tuple(
        fc.constant({ inputs, outputs }),
        fc.record({
          inputs: fc.shuffledSubarray([...inputs], { minLength: inputs.length }),
          outputs: fc.shuffledSubarray([...outputs], { minLength: outputs.length }),
        }),
      ),
    );
    fc.assert(fc.property(reordered, ([one, other]) => assert.deepEqual(signatureDifferences(one, other), [])));
  });

  const INPUT = CONTRACT.inputs[0]!;
  const OUTPUT = CONTRACT.outputs[0]!;
  const LABELS = CONTRACT.outputs[1]!;
  const EXTRA: TensorSpec = { name: "extra", datatype: "BOOL", shape: [] };
  const replaced = (specs: readonly TensorSpec[], name: string, change: Partial<TensorSpec>) =>
    specs.map((spec) => (spec.name === name ? { ...spec, ...change } : spec));
  const input = (change: Partial<TensorSpec>) => ({
    ...CONTRACT,
    inputs: replaced(CONTRACT.inputs, INPUT.name, change),
  });
  const output = (change: Partial<TensorSpec>, name = OUTPUT.name) => ({
    ...CONTRACT,
    outputs: replaced(CONTRACT.outputs, name, change),
  });
  const without = (specs: readonly TensorSpec[], gone: TensorSpec) => specs.filter((spec) => spec !== gone);

  const MUTATIONS: [ModelSignature, SignatureDifference["kind"], string][] = [
    [
      { ...CONTRACT, inputs: without(CONTRACT.inputs, INPUT) },
      "input_removed",
      "input 'pixels': FP32[-1,64] is gone: breaking",
    ],
    [{ ...CONTRACT, inputs: [EXTRA, ...CONTRACT.inputs] }, "input_added", "input 'extra': BOOL[] is new: breaking"],
    [
      { ...CONTRACT, outputs: without(CONTRACT.outputs, OUTPUT) },
      "output_removed",
      "output 'scores': FP32[-1,10] is gone: breaking",
    ],
    [{ ...CONTRACT, outputs: [EXTRA, ...CONTRACT.outputs] }, "output_added", "output 'extra': BOOL[] is new: additive"],
    [input({ datatype: "FP16" }), "datatype_changed", "input 'pixels': FP32[-1,64] becomes FP16[-1,64]: breaking"],
    [output({ datatype: "FP64" }), "datatype_changed", "output 'scores': FP32[-1,10] becomes FP64[-1,10]: breaking"],
    [input({ shape: [64] }), "rank_changed", "input 'pixels': FP32[-1,64] becomes FP32[64]: breaking"],
    [input({ shape: [-1, -1, -1] }), "rank_changed", "input 'pixels': FP32[-1,64] becomes FP32[-1,-1,-1]: breaking"],
    [output({ shape: [-1] }), "rank_changed", "output 'scores': FP32[-1,10] becomes FP32[-1]: breaking"],
    [input({ shape: [-1, 128] }), "dimension_changed", "input 'pixels': FP32[-1,64] becomes FP32[-1,128]: breaking"],
    [input({ shape: [8, 64] }), "dimension_changed", "input 'pixels': FP32[-1,64] becomes FP32[8,64]: breaking"],
    [input({ shape: [8, -1] }), "dimension_changed", "input 'pixels': FP32[-1,64] becomes FP32[8,-1]: breaking"],
    [input({ shape: [-1, -1] }), "dimension_changed", "input 'pixels': FP32[-1,64] becomes FP32[-1,-1]: additive"],
    [output({ shape: [-1, 11] }), "dimension_changed", "output 'scores': FP32[-1,10] becomes FP32[-1,11]: breaking"],
    [output({ shape: [-1, -1] }), "dimension_changed", "output 'scores': FP32[-1,10] becomes FP32[-1,-1]: breaking"],
    [output({ shape: [1, 10] }), "dimension_changed", "output 'scores': FP32[-1,10] becomes FP32[1,10]: additive"],
    [
      output({ shape: [-1, 3] }, LABELS.name),
      "dimension_changed",
      "output 'labels': BYTES[-1,-1] becomes BYTES[-1,3]: additive",
    ],
  ];
  for (const [version, kind, text] of MUTATIONS) {
    test(text, () => {
      const differences = signatureDifferences(CONTRACT, version);
      assert.deepEqual(differences.map(describeDifference), [text]);
      assert.equal(differences[0]?.kind, kind);
      assert.equal(isCompatible(differences), text.endsWith("additive"));
    });
  }

  test("tell both forms, and which tensor they belong to", () => {
    assert.deepEqual(signatureDifferences(CONTRACT, input({ shape: [-1, -1] })), [
      {
        kind: "dimension_changed",
        tensor: "input",
        name: "pixels",
        before: { datatype: "FP32", shape: [-1, 64] },
        after: { datatype: "FP32", shape: [-1, -1] },
        breaking: false,
      },
    ]);
  });

  test("of one name, an input and an output are two things", () => {
    const x: TensorSpec = { name: "x", datatype: "FP32", shape: [] };
    const differences = signatureDifferences({ inputs: [x], outputs: [] }, { inputs: [], outputs: [x] });
    assert.deepEqual(
      differences.map(({ kind }) => kind),
      ["input_removed", "output_added"],
    );
  });

  test("a name of a megabyte does not make a sentence of a megabyte", () => {
    const long: TensorSpec = { name: "x".repeat(1e6), datatype: "FP32", shape: [] };
    const [difference] = signatureDifferences({ inputs: [long], outputs: [] }, { inputs: [], outputs: [] });
    assert.ok(describeDifference(difference!).length < 200);
  });
});

describe("compatible means", () => {
  const sizes = fc.array(fc.nat(5), { minLength: 1, maxLength: 6 });

  test("what the contract takes the version takes, and what the version answers keeps the contract", () => {
    let compatible = 0;
    fc.assert(
      fc.property(signaturePair, sizes, ([contract, version], sizes) => {
        if (!isCompatible(signatureDifferences(contract, version))) return;
        compatible++;
        const request = tensorsOf(contract.inputs, sizes);
        assert.ok(accepts(contract.inputs, request));
        assert.ok(accepts(version.inputs, request));
        assert.ok(satisfies(contract.outputs, tensorsOf(version.outputs, sizes)));
      }),
      { numRuns: 3_000 },
    );
    assert.ok(compatible > 300, `only ${compatible} pairs were compatible`);
  });

  test("no version is called breaking that would serve every caller", () => {
    fc.assert(
      fc.property(signaturePair, ([contract, version]) => {
        const servesAll =
          accepts(version.inputs, tensorsOf(contract.inputs, [OTHER_SIZE])) &&
          satisfies(contract.outputs, tensorsOf(version.outputs, [OTHER_SIZE]));
        assert.equal(isCompatible(signatureDifferences(contract, version)), servesAll);
      }),
      { numRuns: 3_000 },
    );
  });
});
