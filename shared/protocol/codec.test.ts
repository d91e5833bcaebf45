/** What holds for every message: round trips of every datatype, and that no bytes whatever get past a WarmgateError. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeBytesElements, encodeBytesElements } from "./bytes-elements.ts";
import { DATATYPES, type Datatype, ELEMENT_BYTES } from "./datatype.ts";
import { WarmgateError } from "./errors.ts";
import { decodeInferenceRequest, encodeInferenceRequest } from "./request.ts";
import { decodeInferenceResponse, encodeInferenceResponse } from "./response.ts";
import type { InferenceRequest, Tensor } from "./tensor.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const product = (shape: readonly number[]) => shape.reduce((left, right) => left * right, 1);
const plain = (tensors: readonly Tensor[]) => tensors.map((tensor) => ({ ...tensor, bytes: [...tensor.bytes] }));

const anyShape = fc.array(fc.nat(4), { maxLength: 4 });

/** Any tensor in binary form, NaN payloads and BYTES that are not UTF-8 included. */
const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.string({ unit: "binary" }).filter((name) => !/\p{Surrogate}/u.test(name)),
    fc.constantFrom(...DATATYPES),
    anyShape,
  )
  .chain(([name, datatype, shape]) =>
    anyBytes(datatype, product(shape)).map((bytes) => ({ name, datatype, shape, bytes })),
  );

function anyBytes(datatype: Datatype, count: number): fc.Arbitrary<Uint8Array> {
  if (datatype === "BYTES") {
    return fc.array(fc.uint8Array({ maxLength: 6 }), { minLength: count, maxLength: count }).map(encodeBytesElements);
  }
  const length = count * ELEMENT_BYTES[datatype];
  return fc.uint8Array({ minLength: length, maxLength: length, max: datatype === "BOOL" ? 1 : 255 });
}

const anyRequest: fc.Arbitrary<InferenceRequest> = fc.record(
  {
    id: fc.string(),
    parameters: fc.dictionary(
      fc.string().filter((key) => key !== "__proto__" && key !== "binary_data_output"),
      fc.oneof(fc.string(), fc.boolean(), fc.integer()),
      { noNullPrototype: true },
    ),
    inputs: fc.array(anyTensor, { minLength: 1, maxLength: 4 }),
    outputs: fc.array(fc.record({ name: fc.string(), binary: fc.boolean() }, { noNullPrototype: true }), {
      minLength: 1,
    }),
    binaryOutput: fc.boolean(),
  },
  { requiredKeys: ["parameters", "inputs", "binaryOutput"], noNullPrototype: true },
);

const DIGITS: Record<"INT64" | "UINT64", fc.Arbitrary<string>> = {
  INT64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  UINT64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
};
const integer = (bits: number, signed: boolean) =>
  fc.integer({ min: signed ? -(2 ** (bits - 1)) : 0, max: 2 ** (signed ? bits - 1 : bits) - 1 }).map(String);
const float = (value: number) => (Object.is(value, -0) ? "-0" : String(value));

/** One element as the JSON text that the encoder writes for it. */
const JSON_ELEMENT: Record<Exclude<Datatype, "FP16" | "BF16">, fc.Arbitrary<string>> = {
  ...DIGITS,
  BOOL: fc.boolean().map(String),
  UINT8: integer(8, false),
  UINT16: integer(16, false),
  UINT32: integer(32, false),
  INT8: integer(8, true),
  INT16: integer(16, true),
  INT32: integer(32, true),
  FP32: fc.float({ noNaN: true, noDefaultInfinity: true }).map(float),
  FP64: fc.double({ noNaN: true, noDefaultInfinity: true }).map(float),
  BYTES: fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text)),
};

/** Elements in flat order as JSON nested to the shape. */
function nest(elements: readonly string[], shape: readonly number[]): string {
  const [size, ...rest] = shape;
  if (size === undefined || rest.length === 0) return `[${elements.join(",")}]`;
  const step = product(rest);
  return `[${Array.from({ length: size }, (_, row) => nest(elements.slice(row * step, row * step + step), rest)).join(",")}]`;
}

describe("round trips", () => {
  for (const [datatype, element] of Object.entries(JSON_ELEMENT)) {
    test(`${datatype}: JSON, flat or nested, comes back as the same JSON`, () => {
      const sample = anyShape.chain((shape) => {
        const count = product(shape);
        return fc.tuple(fc.constant(shape), fc.array(element, { minLength: count, maxLength: count }), fc.boolean());
      });
      fc.assert(
        fc.property(sample, ([shape, elements, nested]) => {
          const data = nested ? nest(elements, shape) : `[${elements.join(",")}]`;
          const json = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${shape}],"data":${data}}]}`;
          const { inputs } = decodeInferenceRequest(utf8(json), null);
          const response = { modelName: "m", modelVersion: "1", outputs: inputs };
          const { body } = encodeInferenceResponse(response, { binaryOutput: false });
          assert.ok(
            new TextDecoder("utf-8", { ignoreBOM: true }).decode(body).endsWith(`"data":[${elements.join(",")}]}]}`),
          );
          assert.deepEqual(plain(decodeInferenceResponse(body, null).outputs), plain(inputs));
        }),
      );
    });
  }

  test("a request to the pool arrives as it was, every bit of every datatype", () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const { body, headerLength } = encodeInferenceRequest(request);
        const decoded = decodeInferenceRequest(body, headerLength === undefined ? null : String(headerLength));
        assert.deepEqual({ ...decoded, inputs: plain(decoded.inputs) }, { ...request, inputs: plain(request.inputs) });
      }),
    );
  });

  test("a binary response arrives as it was, every bit of every datatype", () => {
    fc.assert(
      fc.property(fc.array(anyTensor, { maxLength: 4 }), (outputs) => {
        const response = { modelName: "m", modelVersion: "1", outputs };
        const { body, headerLength } = encodeInferenceResponse(response, { binaryOutput: true });
        const decoded = decodeInferenceResponse(body, headerLength === undefined ? null : String(headerLength));
        assert.deepEqual(plain(decoded.outputs), plain(outputs));
      }),
    );
  });
});

/** Decodes; whatever comes out must be whole, whatever is thrown must be a refusal of the caller's request. */
function decodesOrRefuses(body: Uint8Array, header: string | null): void {
  let request: InferenceRequest;
  try {
    request = decodeInferenceRequest(body, header);
  } catch (error) {
    assert.ok(error instanceof WarmgateError, `threw ${error}`);
    assert.ok(error.status === 400 || error.status === 501, error.code);
    assert.ok(error.message.length < 500);
    return;
  }
  for (const { datatype, shape, bytes } of request.inputs) {
    if (datatype === "BYTES") decodeBytesElements(bytes, product(shape));
    else assert.equal(bytes.length, product(shape) * ELEMENT_BYTES[datatype]);
  }
}

describe("hostile bytes", () => {
  test("every cut of a valid binary request is a 400", () => {
    fc.assert(
      fc.property(anyRequest, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (request, cut) => {
        const { body, headerLength } = encodeInferenceRequest(request);
        const header = headerLength === undefined ? null : String(headerLength);
        assert.throws(
          () => decodeInferenceRequest(body.subarray(0, Math.floor(cut * body.length)), header),
          (error: unknown) => error instanceof WarmgateError && error.status === 400,
        );
      }),
    );
  });

  test("bits flipped, bytes changed, put in or taken out: a whole request or a refusal", () => {
    const change = fc.record({
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      kind: fc.constantFrom("flip", "set", "insert", "remove"),
      value: fc.oneof(fc.nat(255), fc.constantFrom(...utf8('0159-.eE,:[]{}"\\ntu'))),
    });
    fc.assert(
      fc.property(
        anyRequest,
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: -2, max: 2 }),
        (request, changes, shift) => {
          const { body, headerLength } = encodeInferenceRequest(request);
          const bytes = [...body];
          for (const { at, kind, value } of changes) {
            const index = Math.floor(at * bytes.length);
            if (kind === "flip") bytes[index] = bytes[index]! ^ (1 << (value & 7));
            else if (kind === "set") bytes[index] = value;
            else bytes.splice(index, kind === "remove" ? 1 : 0, ...(kind === "insert" ? [value] : []));
          }
          decodesOrRefuses(Uint8Array.from(bytes), headerLength === undefined ? null : String(headerLength + shift));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("any JSON in any member: a whole request or a refusal", () => {
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom("__proto__", "constructor", 2 ** 32, 2 ** 53, -1, 1e308, -0, 0.5, "\ud800", null, [], {}),
    );
    const or = <T>(value: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: value }, { weight: 1, arbitrary: odd });
    const parameters = or(
      fc.dictionary(
        fc.constantFrom("binary_data_size", "binary_data", "binary_data_output", "__proto__", "classification"),
        or(fc.oneof(fc.nat(16), fc.boolean())),
      ),
    );
    const input = fc.record(
      {
        name: or(fc.constantFrom("a", "b")),
        datatype: or(fc.constantFrom(...DATATYPES)),
        shape: or(fc.array(or(fc.nat(3)), { maxLength: 3 })),
        data: or(fc.array(or(fc.oneof(fc.integer(), fc.boolean(), fc.string())), { maxLength: 9 })),
        parameters,
      },
      { requiredKeys: ["name", "datatype", "shape"] },
    );
    const message = fc.record(
      { inputs: or(fc.array(or(input), { maxLength: 3 })), outputs: or(fc.array(or(input))), parameters, id: odd },
      { requiredKeys: ["inputs"] },
    );
    fc.assert(
      fc.property(message, fc.uint8Array({ maxLength: 24 }), fc.boolean(), (value, binary, framed) => {
        const json = utf8(JSON.stringify(value));
        if (framed) decodesOrRefuses(Uint8Array.of(...json, ...binary), String(json.length));
        else decodesOrRefuses(json, null);
        assert.equal(Object.keys(Object.prototype).length, 0);
      }),
      { numRuns: 1000 },
    );
  });

  test("any bytes under any header: a whole request or a refusal", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.option(fc.oneof(fc.string(), fc.integer().map(String))), decodesOrRefuses),
    );
  });
});
