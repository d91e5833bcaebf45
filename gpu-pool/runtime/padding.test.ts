import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { decodeBytesElements, encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { DATATYPES, type Datatype, ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import type { ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
import { firstOutside } from "../../shared/protocol/value-range.ts";
import {
  biasedAttention,
  featurePool,
  learnedPositions,
  maskedAttention,
  maskedMean,
  unmasked,
} from "../../test/support/onnx-sequence-models.ts";
import { joinRows, splitRows } from "./batch.ts";
import { exampleInput } from "./example-input.ts";
import { ModelInstance } from "./model-instance.ts";
import {
  bucketOf,
  checkPadding,
  MAX_ADDED_BYTES,
  type Padding,
  type PadValue,
  paddedShape,
  padInputs,
  provePadding,
  sliceOutputs,
} from "./padding.ts";

const TOKENS: Padding = {
  axis: 1,
  sizes: [8, 16, 64],
  inputs: { input_ids: 0, attention_mask: 0 },
  outputs: ["last_hidden_state"],
};

/** A pad value for each datatype and its binary form, written out by hand. */
const PADS: Readonly<Record<Datatype, readonly [PadValue, readonly number[]]>> = {
  BOOL: [true, [1]],
  UINT8: [255, [255]],
  UINT16: [258, [2, 1]],
  UINT32: [2 ** 32 - 2, [254, 255, 255, 255]],
  UINT64: [2 ** 40, [0, 0, 0, 0, 0, 1, 0, 0]],
  INT8: [-1, [255]],
  INT16: [-2, [254, 255]],
  INT32: [-100, [156, 255, 255, 255]],
  INT64: [-100, [156, 255, 255, 255, 255, 255, 255, 255]],
  FP16: [-1.5, [0x00, 0xbe]],
  BF16: [-1.5, [0xc0, 0xbf]],
  FP32: [-1.5, [0, 0, 0xc0, 0xbf]],
  FP64: [-1.5, [0, 0, 0, 0, 0, 0, 0xf8, 0xbf]],
  BYTES: ["né", [3, 0, 0, 0, 0x6e, 0xc3, 0xa9]],
};

const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);
const plain = (tensor: Tensor) => ({ ...tensor, bytes: [...tensor.bytes] });

function elementsOf({ datatype, shape, bytes }: Tensor): string[] {
  const count = product(shape);
  if (datatype === "BYTES") return decodeBytesElements(bytes, count).map((element) => element.join());
  const width = ELEMENT_BYTES[datatype];
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * width, (index + 1) * width).join());
}

/** A tensor of any datatype and shape whose bytes lie somewhere in a larger buffer, a padded axis of it, and a bucket. */
const cases = fc
  .tuple(
    fc.constantFrom(...DATATYPES),
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 2 }),
    fc.integer({ min: 0, max: 6 }),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }),
    fc.integer({ min: 0, max: 9 }),
  )
  .chain(([datatype, front, size, rest, more]) => {
    const shape = [...front, size, ...rest];
    const count = product(shape);
    const length = datatype === "BYTES" ? 0 : count * ELEMENT_BYTES[datatype];
    const bytes =
      datatype === "BYTES"
        ? fc.array(fc.uint8Array({ maxLength: 5 }), { minLength: count, maxLength: count }).map(encodeBytesElements)
        : fc.uint8Array({ minLength: length, maxLength: length });
    return bytes.map((content) => {
      const inLarger = new Uint8Array(content.length + 5).fill(0x55);
      inLarger.set(content, 3);
      const tensor: Tensor = { name: "x", datatype, shape, bytes: inLarger.subarray(3, 3 + content.length) };
      const [value] = PADS[datatype];
      const bucket = size + more;
      const padding: Padding = { axis: front.length, sizes: [bucket], inputs: { x: value }, outputs: ["x"] };
      return { tensor, padding, size, bucket };
    });
  });

describe("padding and cutting back", () => {
  test("what is padded and cut back is what it was, for every datatype, shape and axis", () => {
    fc.assert(
      fc.property(cases, ({ tensor, padding, size, bucket }) => {
        const cut = sliceOutputs(padding, padInputs(padding, [tensor], bucket), size, bucket);
        assert.deepEqual(cut.map(plain), [plain(tensor)]);
      }),
      { numRuns: 1000 },
    );
  });

  test("every element of the padded tensor is the request's own or the pad value, each in its place", () => {
    fc.assert(
      fc.property(cases, ({ tensor, padding, size, bucket }) => {
        const [padded] = padInputs(padding, [tensor], bucket);
        assert.deepEqual(padded!.shape, tensor.shape.with(padding.axis, bucket));
        assert.deepEqual(padded!.shape, paddedShape(padding, tensor, bucket));
        const own = elementsOf(tensor);
        const [, padBytes] = PADS[tensor.datatype];
        const pad = (tensor.datatype === "BYTES" ? padBytes.slice(4) : padBytes).join();
        const inner = product(tensor.shape.slice(padding.axis + 1));
        const expected = Array.from({ length: product(padded!.shape) }, (_, index) => {
          const place = Math.floor(index / inner) % bucket;
          const row = Math.floor(index / inner / bucket);
          return place < size ? own[(row * size + place) * inner + (index % inner)] : pad;
        });
        assert.deepEqual(elementsOf(padded!), expected);
      }),
      { numRuns: 1000 },
    );
  });

  const ids = (...values: number[]): Tensor => ({
    name: "input_ids",
    datatype: "INT32",
    shape: [1, values.length],
    bytes: new Uint8Array(Int32Array.from(values).buffer),
  });

  test("nothing is copied when the size is the bucket's", () => {
    const tensor = ids(...Array(8).keys());
    assert.equal(padInputs(TOKENS, [tensor], 8)[0], tensor);
    const output = { ...tensor, name: "last_hidden_state" };
    assert.equal(sliceOutputs(TOKENS, [output], 8, 8)[0], output);
  });

  test("inputs that are not named and outputs that are not listed are left as they are", () => {
    const other = { ...ids(1, 2, 3), name: "constructor" };
    assert.equal(padInputs(TOKENS, [other], 8)[0], other);
    assert.equal(paddedShape(TOKENS, other, 8), other.shape);
    assert.equal(sliceOutputs(TOKENS, [other], 3, 8)[0], other);
  });

  test("an output whose axis is not the bucket's fails the model and is never handed out", () => {
    for (const shape of [[1, 7], [7], []]) {
      const output: Tensor = {
        name: "last_hidden_state",
        datatype: "UINT8",
        shape,
        bytes: new Uint8Array(product(shape)),
      };
      assert.throws(() => sliceOutputs(TOKENS, [output], 3, 8), {
        code: "model_failed",
        message: /'last_hidden_state'/,
      });
    }
  });
});

describe("the bucket of a request", () => {
  const tokens = (idsLength: number, maskLength = idsLength): Tensor[] => [
    { name: "input_ids", datatype: "INT64", shape: [2, idsLength], bytes: new Uint8Array(16 * idsLength) },
    { name: "attention_mask", datatype: "INT64", shape: [2, maskLength], bytes: new Uint8Array(16 * maskLength) },
  ];

  test("is the smallest that holds it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), (size) => {
        const bucket = size <= 8 ? 8 : size <= 16 ? 16 : 64;
        assert.deepEqual(bucketOf(TOKENS, tokens(size)), { size, bucket });
      }),
    );
  });

  test("does not exist beyond the largest, which the refusal names", () => {
    assert.throws(() => bucketOf(TOKENS, tokens(65)), {
      code: "input_mismatch",
      message: /is 65, the largest size is 64/,
    });
  });

  test("does not exist for inputs of different sizes, for an empty sequence, or without an input to pad", () => {
    const refused = (inputs: Tensor[], message: RegExp) =>
      assert.throws(() => bucketOf(TOKENS, inputs), { code: "input_mismatch", message });
    refused(tokens(5, 6), /'attention_mask' has 6, input 'input_ids' 5/);
    refused(tokens(0), /is empty/);
    refused([], /no input has an axis 1/);
    refused(
      [{ name: "input_ids", datatype: "INT64", shape: [3], bytes: new Uint8Array(24) }],
      /no input has an axis 1/,
    );
  });

  test("is refused to a short and wide request that padding would turn into a huge one", () => {
    const padding: Padding = { axis: 1, sizes: [2 ** 20], inputs: { x: 0 }, outputs: [] };
    const wide = (width: number): Tensor[] => [
      { name: "x", datatype: "FP32", shape: [1, 1, width], bytes: new Uint8Array(4 * width) },
    ];
    const most = MAX_ADDED_BYTES / 2 ** 20 / 4;
    assert.equal(bucketOf(padding, wide(most)).bucket, 2 ** 20);
    assert.throws(() => bucketOf(padding, wide(most + 1)), { code: "invalid_shape" });
  });
});

describe("a declaration of padding", () => {
  const signature = (datatype: Datatype, shape: readonly number[] = [-1, -1]): ModelSignature => ({
    inputs: [{ name: "x", datatype, shape }],
    outputs: [{ name: "y", datatype, shape }],
  });
  const declared = (value: PadValue, change: Partial<Padding> = {}): Padding => ({
    axis: 1,
    sizes: [8],
    inputs: { x: value },
    outputs: ["y"],
    ...change,
  });
  const rejection = (padding: Padding, of: ModelSignature): string => {
    let message = "";
    assert.throws(
      () => checkPadding(padding, of),
      (error: Error & { code?: string }) => {
        message = error.message;
        return error.code === "model_rejected";
      },
    );
    return message;
  };

  test("that fits the signature passes", () => {
    for (const datatype of DATATYPES) checkPadding(declared(PADS[datatype][0]), signature(datatype));
  });

  test("is refused with everything that is wrong in it", () => {
    const of: ModelSignature = {
      inputs: [
        { name: "fixed", datatype: "FP32", shape: [-1, 16] },
        { name: "flat", datatype: "FP32", shape: [-1] },
        { name: "whole", datatype: "INT64", shape: [-1, -1] },
      ],
      outputs: [{ name: "pooled", datatype: "FP32", shape: [-1, 4] }],
    };
    const inputs = { fixed: 0, flat: 0, whole: 0.5, unknown: 0, toString: 0 };
    const message = rejection({ axis: 1, sizes: [8], inputs, outputs: ["pooled", "missing"] }, of);
    for (const fault of [
      "axis 1 of input 'fixed' is fixed at 16",
      "input 'flat' has no axis 1, its shape is [-1]",
      "input 'whole' is INT64, which cannot hold exactly 0.5",
      "there is no input 'unknown'",
      "there is no input 'toString'",
      "axis 1 of output 'pooled' is fixed at 4",
      "there is no output 'missing'",
    ]) {
      assert.ok(message.includes(fault), `${fault} is not in: ${message}`);
    }
  });

  test("is refused with a pad value outside the input's range", () => {
    const { inputs, outputs } = signature("INT64");
    const ranged = { inputs: inputs.map((spec) => ({ ...spec, range: { min: 0, max: 9 } })), outputs };
    assert.match(rejection(declared(-1), ranged), /input 'x' takes 0 to 9, and so cannot be padded with -1/);
    checkPadding(declared(9), ranged);
  });

  test("passes over an output whose rank the model file leaves open", () => {
    checkPadding(declared(0), { ...signature("FP32"), outputs: [{ name: "y", datatype: "FP32", shape: [] }] });
  });

  const exact: [Datatype, PadValue[], PadValue[]][] = [
    ["BOOL", [true, false], [0, 1, "true"]],
    ["UINT8", [0, 255], [-1, 256, 0.5, "0", true]],
    ["INT8", [-128, 127], [-129, 128]],
    ["UINT32", [2 ** 32 - 1], [2 ** 32, -1]],
    ["INT64", [-(2 ** 53) + 1, 2 ** 53 - 1], [2 ** 53, 0.5, 1e300]],
    ["UINT64", [0, 2 ** 53 - 1], [-1, 2 ** 60]],
    ["FP32", [0.5, -3.4028234663852886e38, 2 ** -149], [0.1, 1e39, 2 ** -150, "0"]],
    ["FP64", [0.1, Number.MAX_VALUE], [Number.NaN, Number.POSITIVE_INFINITY]],
    ["FP16", [65504, -65504, 2 ** -24, 2 ** -14, 2049 - 1], [65520, 65536, 2 ** -25, 2049, 0.1, Number.MAX_VALUE]],
    ["BF16", [256, 2 ** 127, 0.5], [257, 0.1, 2 ** 128]],
    ["BYTES", ["", "[PAD]"], [0, false, "a\0b", "\ud800"]],
  ];
  for (const [datatype, held, refused] of exact) {
    test(`holds a pad value of ${datatype} only if the datatype does, exactly`, () => {
      for (const value of held) checkPadding(declared(value), signature(datatype));
      for (const value of refused) assert.match(rejection(declared(value), signature(datatype)), /cannot hold exactly/);
    });
  }

  test("in FP16 becomes the bits that stand for the value", () => {
    const bits: [number, number][] = [
      [0, 0x0000],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [-1023 * 2 ** -24, 0x83ff],
    ];
    for (const [value, expected] of bits) {
      const empty: Tensor = { name: "x", datatype: "FP16", shape: [1, 0], bytes: new Uint8Array() };
      const [padded] = padInputs(declared(value), [empty], 1);
      assert.deepEqual([...padded!.bytes], [expected & 0xff, expected >> 8], `${value}`);
    }
  });
});

describe("the proof that padding leaves the answers alone", () => {
  const MODELS = fileURLToPath(new URL("../../test/models", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "warmgate-padding-"));
  // A model's thread does not keep the process alive by itself; the pool's server does.
  const alive = setInterval(() => undefined, 1_000);
  after(() => {
    clearInterval(alive);
    rmSync(folder, { recursive: true, force: true });
  });

  const runOn = (instance: ModelInstance) => (inputs: readonly Tensor[]) =>
    instance.run(
      inputs.map((input) => joinRows([input])),
      instance.signature.outputs.map((output) => output.name),
    );

  async function on<T>(model: Uint8Array | string, use: (instance: ModelInstance) => Promise<T>): Promise<T> {
    const file = typeof model === "string" ? `${MODELS}/${model}/1/model.onnx` : join(folder, "model.onnx");
    if (typeof model !== "string") writeFileSync(file, model);
    const instance = await ModelInstance.load({ file, provider: "cpu", deviceId: 0, computeThreads: 1 });
    try {
      return await use(instance);
    } finally {
      await instance.close();
    }
  }

  const prove = (model: Uint8Array | string, padding: Padding, samples: Tensor[][] = []) =>
    on(model, (instance) => provePadding(runOn(instance), instance.signature, padding, samples, 8));
  const rejects = (proof: Promise<void>, message: RegExp) => assert.rejects(proof, { code: "model_rejected", message });

  const FEATURES: Padding = { axis: 1, sizes: [8, 16], inputs: { features: 0 }, outputs: [] };
  const tokenSample = (ids: number[], mask: number[]): Tensor[] =>
    [ids, mask].map((values, at) => ({
      name: at === 0 ? "input_ids" : "attention_mask",
      datatype: "INT64",
      shape: [1, values.length],
      bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
    }));

  test("a declaration that does not fit the signature is refused before anything is run", () =>
    rejects(
      prove(maskedMean(), { ...TOKENS, outputs: ["pooled"] }),
      /padding does not fit the model: axis 1 of output/,
    ));

  test("a mean over the masked tokens is padded", () => prove(maskedMean(), TOKENS));

  test("attention with a bias for masked tokens is padded, also from a single token on", () =>
    prove(maskedAttention(), { ...TOKENS, sizes: [2, 16], inputs: { input_ids: 3, attention_mask: 0 } }));

  test("attention whose bias is an input is padded with -10000, but not with 0", async () => {
    await prove(biasedAttention(), { ...TOKENS, inputs: { input_ids: 3, attention_mask: -10_000 } });
    await rejects(prove(biasedAttention(), { ...TOKENS, inputs: { input_ids: 3, attention_mask: 0 } }), /changes/);
  });

  test("nothing outside a declared range is tried, and what is inside still refutes", () =>
    on(featurePool("ReduceMax"), async (instance) => {
      const range = { min: -0.5, max: 0.5 };
      const inputs = instance.signature.inputs.map((spec) => ({ ...spec, range }));
      const run = (tried: readonly Tensor[]) => {
        for (const input of tried) assert.equal(firstOutside(range, input), undefined);
        return runOn(instance)(tried);
      };
      await rejects(provePadding(run, { ...instance.signature, inputs }, FEATURES, [], 8), /output 'pooled'/);
    }));

  test("a mean over all tokens is not", () =>
    rejects(prove(unmasked("ReduceMean"), TOKENS), /padding changes the answers: output 'last_hidden_state'/));

  test("a maximum over all tokens is not, although pad tokens occur among made-up ones", () =>
    rejects(prove(unmasked("ReduceMax"), TOKENS), /padding changes the answers/));

  test("a model of an exporter that averages over its tokens is not", () => {
    const padding: Padding = { axis: 1, sizes: [8, 16], inputs: { token_ids: 0 }, outputs: [] };
    return rejects(prove("exporters/embedding_mean", padding), /padding changes the answers: output 'embedding'/);
  });

  test("a sum of features is padded with zeros, a sum padded with ones is not", async () => {
    await prove(featurePool("ReduceSum"), FEATURES);
    await rejects(prove(featurePool("ReduceSum"), { ...FEATURES, inputs: { features: 1 } }), /output 'pooled'/);
  });

  test("a maximum or a minimum of features is refuted by the side of the pad value on which it shows", async () => {
    await rejects(prove(featurePool("ReduceMax"), FEATURES), /output 'pooled'/);
    await rejects(prove(featurePool("ReduceMax"), { ...FEATURES, inputs: { features: -1 } }), /output 'pooled'/);
    await rejects(prove(featurePool("ReduceMin"), { ...FEATURES, inputs: { features: 0.75 } }), /output 'pooled'/);
    await prove(featurePool("ReduceMax"), { ...FEATURES, inputs: { features: -3.4028234663852886e38 } });
  });

  test("an output that grows with the axis and is not listed is a changed answer", () =>
    rejects(
      prove(maskedMean(), { ...TOKENS, outputs: [] }),
      /padding changes the answers: output 'last_hidden_state'/,
    ));

  test("a bucket that the model cannot run is refused by its size", async () => {
    const padding: Padding = { ...TOKENS, inputs: { input_ids: 0 } };
    await prove(learnedPositions(64), padding);
    await rejects(prove(learnedPositions(63), padding), /padding from 4 to 64 fails/);
  });

  test("an input that must be padded too and is not named is refused", () =>
    rejects(prove(maskedMean(), { ...TOKENS, inputs: { input_ids: 0 } }), /padding from 8 to 16 fails/));

  test("declared samples are tried instead of made-up inputs", async () => {
    await prove(maskedMean(), TOKENS, [tokenSample([5, 3, 2], [1, 1, 1])]);
    await rejects(prove(unmasked("ReduceMean"), TOKENS, [tokenSample([5, 3, 2], [1, 1, 1])]), /from 3 to 8/);
    await prove(featurePool("ReduceMax"), FEATURES, [
      [
        {
          name: "features",
          datatype: "FP32",
          shape: [1, 1, 4],
          bytes: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer),
        },
      ],
    ]);
  });

  test("without a request that is shorter than a bucket and runs, nothing is proven", async () => {
    const full = Array<number>(64).fill(1);
    await rejects(prove(maskedMean(), TOKENS, [tokenSample(full, full)]), /cannot be proven: no request is shorter/);
    await rejects(prove(maskedMean(), TOKENS, [tokenSample([99], [1])]), /cannot be proven: .*(indices|bounds)/i);
    await rejects(prove(maskedMean(), TOKENS, [tokenSample([1, 2], [1])]), /cannot be proven: .*the same size/);
  });

  test("a bucket too large for the memory that padding may take is refused before it is made", () =>
    rejects(prove(featurePool("ReduceSum"), { ...FEATURES, sizes: [8, 2 ** 26] }), /adds more than/));

  for (const datatype of DATATYPES.filter((name) => name !== "BF16")) {
    const model = `basic/identity_${datatype === "BYTES" ? "string" : datatype.toLowerCase()}`;
    test(`${model} answers each of a padded batch with what it sent`, () =>
      on(model, async (instance) => {
        const [value] = PADS[datatype];
        const padding: Padding = { axis: 1, sizes: [4, 12], inputs: { INPUT0: value }, outputs: ["OUTPUT0"] };
        await provePadding(runOn(instance), instance.signature, padding, [], 8);
        const spec = instance.signature.inputs[0]!;
        const requests = [5, 9, 12].map((size, seed) =>
          exampleInput({ ...spec, shape: [-1, size] }, seed + 1, 1, seed),
        );
        const fits = requests.map((request) => bucketOf(padding, [request]));
        const padded = requests.map((request, at) => padInputs(padding, [request], fits[at]!.bucket)[0]!);
        const { outputs } = await instance.run([joinRows([padded[0]!, ...padded.slice(1)])], ["OUTPUT0"]);
        const shares = splitRows(
          outputs[0]!,
          requests.map((request) => request.shape[0]!),
        );
        for (const [at, { size, bucket }] of fits.entries()) {
          const [own] = sliceOutputs(padding, [shares[at]!], size, bucket);
          assert.deepEqual(plain(own!), { ...plain(requests[at]!), name: "OUTPUT0" });
        }
      }));
  }
});
