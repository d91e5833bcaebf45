import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WarmgateError } from "./errors.ts";
import { DEFAULT_CODEC_LIMITS } from "./limits.ts";
import { decodeInferenceRequest, encodeInferenceRequest } from "./request.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const X = { name: "x", datatype: "FP32", shape: [2], data: [1, 2] };
const decode = (message: unknown) => decodeInferenceRequest(utf8(JSON.stringify(message)), null);
const refusal = (message: unknown, code: string, text: RegExp) =>
  assert.throws(() => decode(message), { code, message: text });

/** A body of this JSON and these bytes, decoded with the right header. */
function decodeBinary(message: unknown, binary: number[]) {
  const json = utf8(JSON.stringify(message));
  return decodeInferenceRequest(Uint8Array.of(...json, ...binary), String(json.length));
}
const binaryInput = (size: unknown, datatype = "UINT8", shape = [2]) => ({
  name: "x",
  datatype,
  shape,
  parameters: { binary_data_size: size },
});

describe("the JSON of a request", () => {
  test("the least request", () => {
    const { inputs, ...rest } = decode({ inputs: [X] });
    assert.deepEqual(rest, { parameters: {}, binaryOutput: false });
    assert.deepEqual(
      inputs,
      [{ ...X, data: undefined, bytes: inputs[0]!.bytes }].map(({ data: _, ...tensor }) => tensor),
    );
    assert.deepEqual([...new Float32Array(inputs[0]!.bytes.buffer)], [1, 2]);
  });
  test("id and parameters are kept, binary_data_output is taken out", () => {
    const parameters = { priority: 1, trace: "on", dry: false, binary_data_output: true };
    const request = decode({ id: "7", parameters, inputs: [X] });
    assert.equal(request.id, "7");
    assert.deepEqual(request.parameters, { priority: 1, trace: "on", dry: false });
    assert.equal(request.binaryOutput, true);
  });
  test("null counts as absent", () => {
    const request = decode({ id: null, parameters: null, inputs: [{ ...X, parameters: null }], outputs: null });
    assert.deepEqual(Object.keys(request), ["parameters", "inputs", "binaryOutput"]);
  });
  test("model_name, model_version and unknown members are ignored", () => {
    assert.doesNotThrow(() => decode({ model_name: "m", model_version: "1", surprise: [[{}]], inputs: [X] }));
  });
  test("an empty list of outputs asks for all", () =>
    assert.equal("outputs" in decode({ inputs: [X], outputs: [] }), false));
  test("a listed output's own binary_data decides, else binary_data_output", () => {
    const listed = [
      { name: "a" },
      { name: "b", parameters: { binary_data: true } },
      { name: "c", parameters: { binary_data: false } },
    ];
    const forms = (flag: boolean) =>
      decode({ inputs: [X], outputs: listed, parameters: { binary_data_output: flag } }).outputs!.map(
        ({ binary }) => binary,
      );
    assert.deepEqual(forms(true), [true, true, false]);
    assert.deepEqual(forms(false), [false, true, false]);
  });

  for (const body of [null, [], 1, "x", true]) {
    test(`refuses ${JSON.stringify(body)} as a body`, () => refusal(body, "invalid_request", /the body must be/));
  }
  const refused: [string, unknown, string, RegExp][] = [
    ["no inputs", {}, "invalid_request", /at least one/],
    ["empty inputs", { inputs: [] }, "invalid_request", /at least one/],
    ["inputs that are no list", { inputs: { 0: X } }, "invalid_request", /inputs must be an array/],
    ["an input that is no object", { inputs: [[X]] }, "invalid_request", /inputs\[0\] must be/],
    ["an input without a name", { inputs: [{ ...X, name: undefined }] }, "invalid_request", /inputs\[0\]\.name/],
    ["a name that is no text", { inputs: [{ ...X, name: 1 }] }, "invalid_request", /inputs\[0\]\.name/],
    ["a name of half a character", { inputs: [{ ...X, name: "\ud800" }] }, "invalid_request", /Unicode/],
    ["an unknown datatype", { inputs: [{ ...X, datatype: "fp32" }] }, "invalid_request", /'x' must have a datatype/],
    ["a datatype of the prototype", { inputs: [{ ...X, datatype: "constructor" }] }, "invalid_request", /datatype/],
    ["no shape", { inputs: [{ ...X, shape: undefined }] }, "invalid_shape", /'x'/],
    ["a negative dimension", { inputs: [{ ...X, shape: [-1] }] }, "invalid_shape", /'x'/],
    ["an id that is a number", { id: 1, inputs: [X] }, "invalid_request", /id must be a string/],
    ["parameters that are a list", { parameters: [], inputs: [X] }, "invalid_request", /parameters/],
    ["a parameter that is an object", { parameters: { a: {} }, inputs: [X] }, "invalid_request", /'a' must be/],
    ["a parameter that is null", { parameters: { a: null }, inputs: [X] }, "invalid_request", /'a' must be/],
    [
      "a flag that is no flag",
      { parameters: { binary_data_output: 1 }, inputs: [X] },
      "invalid_request",
      /true or false/,
    ],
    [
      "data and binary_data_size",
      { inputs: [{ ...X, parameters: { binary_data_size: 8 } }] },
      "invalid_request",
      /not both/,
    ],
    ["neither data nor size", { inputs: [{ ...X, data: undefined }] }, "invalid_request", /has neither/],
    ["data: null alone", { inputs: [{ ...X, data: null }] }, "invalid_request", /has neither/],
    [
      "shared memory",
      { inputs: [{ ...X, parameters: { shared_memory_region: "r" } }] },
      "not_implemented",
      /shared mem/,
    ],
    [
      "classification",
      { inputs: [X], outputs: [{ name: "y", parameters: { classification: 3 } }] },
      "not_implemented",
      /'y'/,
    ],
    [
      "output to shared memory",
      { inputs: [X], outputs: [{ name: "y", parameters: { shared_memory_region: "r" } }] },
      "not_implemented",
      /'y'/,
    ],
    ["an output without a name", { inputs: [X], outputs: [{}] }, "invalid_request", /outputs\[0\]\.name/],
    [
      "a form that is no flag",
      { inputs: [X], outputs: [{ name: "y", parameters: { binary_data: "yes" } }] },
      "invalid_request",
      /'binary_data' must be true or false/,
    ],
    ["257 inputs", { inputs: new Array(257).fill(X) }, "invalid_request", /at most 256/],
    ["257 outputs", { inputs: [X], outputs: new Array(257).fill({ name: "y" }) }, "invalid_request", /at most 256/],
  ];
  for (const [name, message, code, text] of refused) {
    test(`refuses ${name}`, () => refusal(message, code, text));
  }
  test("a parameter beyond what a double holds is refused", () => {
    assert.throws(() => decodeInferenceRequest(utf8('{"parameters":{"a":1e400}}'), null), { code: "invalid_request" });
  });

  test("__proto__ and constructor in any place change no object", () => {
    const evil = `"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}`;
    const input = JSON.stringify(X).slice(0, -1);
    const request = decodeInferenceRequest(utf8(`{${evil},"inputs":[${input},${evil}}]}`), null);
    assert.equal(Reflect.get({}, "polluted"), undefined);
    assert.equal(Reflect.get(request, "polluted"), undefined);
    assert.equal(Reflect.get(request.inputs[0]!, "polluted"), undefined);
    const parameters = decodeInferenceRequest(
      utf8(`{"parameters":{"__proto__":"x"},"inputs":[${input}}]}`),
      null,
    ).parameters;
    assert.equal(Object.getPrototypeOf(parameters), Object.prototype);
    assert.deepEqual(Object.keys(parameters), []);
  });
  test("inputs inside __proto__ are not the request's inputs", () => {
    const json = `{"__proto__":${JSON.stringify({ inputs: [X] })}}`;
    assert.throws(() => decodeInferenceRequest(utf8(json), null), { code: "invalid_request" });
  });
  test("a megabyte of wrong members is refused at the first", () => {
    const parameters = Object.fromEntries(Array.from({ length: 1e5 }, (_, key) => [`k${key}`, []]));
    refusal({ parameters, inputs: [X] }, "invalid_request", /'k0'/);
    refusal({ inputs: new Array(5e5).fill(0) }, "invalid_request", /at most 256/);
  });
  test("error texts stay short whatever the names", () => {
    assert.throws(
      () => decode({ inputs: [{ ...X, name: "n".repeat(1e6), data: [1] }] }),
      (error: Error) => error instanceof WarmgateError && error.message.length < 300,
    );
  });
  test("limits are the caller's", () => {
    const limits = { ...DEFAULT_CODEC_LIMITS, maxElements: 1 };
    assert.throws(() => decodeInferenceRequest(utf8(JSON.stringify({ inputs: [X] })), null, limits), {
      code: "invalid_shape",
    });
  });
});

describe("the binary part of a request", () => {
  test("blobs stand in the order of the binary inputs; JSON inputs have none", () => {
    const b = { ...binaryInput(2), name: "b" };
    const request = decodeBinary({ inputs: [binaryInput(2), X, b] }, [1, 2, 3, 4]);
    assert.deepEqual([...request.inputs[0]!.bytes], [1, 2]);
    assert.deepEqual([...request.inputs[2]!.bytes], [3, 4]);
  });
  test("data: null beside binary_data_size 0 is an empty tensor, with or without the header", () => {
    const message = { inputs: [{ ...binaryInput(0, "FP32", [0]), data: null }] };
    assert.equal(decode(message).inputs[0]!.bytes.length, 0);
    assert.equal(decodeBinary(message, []).inputs[0]!.bytes.length, 0);
  });
  test("a body that is a Node Buffer gives plain bytes, which slice() copies", () => {
    const json = JSON.stringify({ inputs: [binaryInput(2)] });
    const body = Buffer.concat([Buffer.from(json), Buffer.of(1, 2)]);
    const { bytes } = decodeInferenceRequest(body, String(json.length)).inputs[0]!;
    assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
    assert.deepEqual([...bytes], [1, 2]);
  });
  test("a header over a body without binary inputs is fine", () =>
    assert.doesNotThrow(() => decodeBinary({ inputs: [X] }, [])));

  const refused: [string, unknown, number[], string, RegExp][] = [
    ["trailing bytes", { inputs: [binaryInput(2)] }, [1, 2, 3], "invalid_data", /1 bytes more/],
    ["bytes that no input declares", { inputs: [X] }, [1], "invalid_data", /1 bytes more/],
    ["a short body", { inputs: [binaryInput(2)] }, [1], "invalid_data", /1 bytes of binary data are left$/],
    ["a size that is not the shape's", { inputs: [binaryInput(1)] }, [1], "invalid_data", /take 2 bytes/],
    ["a size of elements, not bytes", { inputs: [binaryInput(2, "FP32")] }, [1, 2], "invalid_data", /take 8 bytes/],
    ["a size that is text", { inputs: [binaryInput("2")] }, [1, 2], "invalid_request", /whole number/],
    ["a negative size", { inputs: [binaryInput(-2)] }, [1, 2], "invalid_request", /whole number/],
    ["a broken size", { inputs: [binaryInput(1.5)] }, [1, 2], "invalid_request", /whole number/],
    ["an unsafe size", { inputs: [binaryInput(2 ** 60, "BYTES")] }, [1], "invalid_request", /whole number/],
    ["a size beyond the body", { inputs: [binaryInput(2 ** 40, "BYTES")] }, [1], "invalid_data", /are left/],
    [
      "BYTES with an element too few",
      { inputs: [binaryInput(4, "BYTES")] },
      [0, 0, 0, 0],
      "invalid_data",
      /must have 2 el/,
    ],
    [
      "BYTES reaching into the next blob",
      { inputs: [binaryInput(5, "BYTES", [1]), { ...binaryInput(2), name: "b" }] },
      [3, 0, 0, 0, 7, 7, 7],
      "invalid_data",
      /cut off in element 0/,
    ],
    ["a BOOL of 2", { inputs: [binaryInput(2, "BOOL")] }, [1, 2], "invalid_data", /element 1 of input 'x'/],
  ];
  for (const [name, message, binary, code, text] of refused) {
    test(`refuses ${name}`, () => assert.throws(() => decodeBinary(message, binary), { code, message: text }));
  }
  test("says that the header is missing when binary data is declared without it", () => {
    refusal({ inputs: [binaryInput(2)] }, "invalid_data", /Inference-Header-Content-Length missing/);
  });
});

describe("golden vectors of KServe", () => {
  const VALUES = [6.8, 2.8, 4.8, 1.4, 6.0, 3.4, 4.5, 1.6];
  const FP16 = "cd469a41cd449a3d0046cd428044663e";
  const FP32 = "9a99d940333333409a9999403333b33f0000c0409a99594000009040cdcccc3f";

  test("FP32 in JSON becomes the published bytes", () => {
    const request = decode({ inputs: [{ ...X, shape: [8], data: VALUES }] });
    assert.equal(Buffer.from(request.inputs[0]!.bytes).toString("hex"), FP32);
  });
  test("FP16 and FP32 blobs come out as sent, and go to the pool as sent", () => {
    const inputs = [binaryInput(16, "FP16", [8]), { ...binaryInput(32, "FP32", [8]), name: "y" }];
    const request = decodeBinary({ inputs }, [...Buffer.from(FP16 + FP32, "hex")]);
    assert.deepEqual(
      request.inputs.map(({ bytes }) => Buffer.from(bytes).toString("hex")),
      [FP16, FP32],
    );
    const { body, headerLength } = encodeInferenceRequest(request);
    assert.equal(Buffer.from(body.subarray(headerLength)).toString("hex"), FP16 + FP32);
  });
});
