import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeBytesElements } from "./bytes-elements.ts";
import type { Datatype } from "./datatype.ts";
import { decodeInferenceResponse, encodeInferenceResponse } from "./response.ts";
import type { InferenceResponse, Tensor } from "./tensor.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const utf8 = (text: string) => new TextEncoder().encode(text);
const tensor = (name: string, datatype: Datatype, shape: number[], bytes: Uint8Array): Tensor => ({
  name,
  datatype,
  shape,
  bytes,
});
const response = (...outputs: Tensor[]): InferenceResponse => ({ modelName: "m", modelVersion: "3", outputs });
const floats = (...values: number[]) =>
  tensor("y", "FP32", [values.length], new Uint8Array(Float32Array.of(...values).buffer));

/** The one output's `data` as JSON text. */
function dataText(output: Tensor): string {
  const { body } = encodeInferenceResponse(response(output), { binaryOutput: false });
  return /"data":(.*)\}\]\}$/s.exec(new TextDecoder("utf-8", { ignoreBOM: true }).decode(body))![1]!;
}

const VALUES = [6.8, 2.8, 4.8, 1.4, 6.0, 3.4, 4.5, 1.6];
const FP16 = tensor("fp16_output", "FP16", [8], hex("cd469a41cd449a3d0046cd428044663e"));
const FP32 = tensor(
  "fp32_output",
  "FP32",
  [8],
  hex("9a99d940333333409a9999403333b33f0000c0409a99594000009040cdcccc3f"),
);
const KSERVE_JSON =
  '{"id":"123","model_name":"FP16OutputModel","model_version":null,"outputs":[{"name":"fp16_output","shape":[8],"datatype":"FP16","parameters":{"binary_data_size":16}},{"name":"fp32_output","shape":[8],"datatype":"FP32","parameters":{"binary_data_size":32}}]}';
const MODEL: InferenceResponse = { modelName: "FP16OutputModel", modelVersion: "1", id: "123", outputs: [FP16, FP32] };

describe("golden vectors of KServe", () => {
  test("its answer, JSON of 256 bytes and two blobs, is read to the byte", () => {
    const body = Uint8Array.of(...utf8(KSERVE_JSON), ...FP16.bytes, ...FP32.bytes);
    assert.deepEqual(decodeInferenceResponse(body, "256"), { ...MODEL, modelVersion: "" });
  });
  test("binary_data_output alone: the same JSON and the same blobs", () => {
    const { body, headerLength } = encodeInferenceResponse(MODEL, { binaryOutput: true });
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body.subarray(0, headerLength)));
    assert.deepEqual(parsed, { ...JSON.parse(KSERVE_JSON), model_version: "1" });
    assert.deepEqual([...body.subarray(headerLength)], [...FP16.bytes, ...FP32.bytes]);
  });
  test("an output's own binary_data false: it comes as JSON, with 16 bytes of the other behind", () => {
    const outputs = [
      { name: "fp16_output", binary: true },
      { name: "fp32_output", binary: false },
    ];
    const { body, headerLength } = encodeInferenceResponse(MODEL, { binaryOutput: true, outputs });
    assert.equal(body.length - headerLength!, 16);
    const { outputs: parsed } = JSON.parse(new TextDecoder().decode(body.subarray(0, headerLength)));
    assert.deepEqual(parsed[0].parameters, { binary_data_size: 16 });
    assert.equal("parameters" in parsed[1], false);
    assert.deepEqual(parsed[1].data, VALUES.map(Math.fround));
  });
  test("FP16 that was not asked for as binary is refused", () => {
    assert.throws(() => encodeInferenceResponse(MODEL, { binaryOutput: false }), {
      code: "binary_required",
      message: /'fp16_output' is FP16/,
    });
  });
});

describe("encodeInferenceResponse", () => {
  test("a JSON response to the letter", () => {
    const whole = { ...response(floats(1, 2.5)), id: "a", parameters: { note: "n" } };
    const { body, headerLength } = encodeInferenceResponse(whole, { binaryOutput: false });
    assert.equal(headerLength, undefined);
    assert.equal(
      new TextDecoder().decode(body),
      '{"model_name":"m","model_version":"3","id":"a","parameters":{"note":"n"},"outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1,2.5]}]}',
    );
  });
  test("what is absent is left out, not null", () => {
    const { body } = encodeInferenceResponse(response(floats(1)), { binaryOutput: false });
    assert.deepEqual(Object.keys(JSON.parse(new TextDecoder().decode(body))), [
      "model_name",
      "model_version",
      "outputs",
    ]);
  });
  test("only binary outputs of 0 bytes: no header, and it reads back", () => {
    const empty = response(tensor("y", "FP32", [0, 4], new Uint8Array(0)));
    const { body, headerLength } = encodeInferenceResponse(empty, { binaryOutput: true });
    assert.equal(headerLength, undefined);
    assert.deepEqual(decodeInferenceResponse(body, null), empty);
  });
  test("an empty output in JSON is an empty list", () => assert.equal(dataText(floats()), "[]"));
  test("an output that was not listed has the request's form", () => {
    const { headerLength } = encodeInferenceResponse(response(floats(1)), {
      binaryOutput: true,
      outputs: [{ name: "other", binary: false }],
    });
    assert.notEqual(headerLength, undefined);
  });
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    test(`${value} is refused in JSON and passed on in binary`, () => {
      const bad = response(floats(0, value));
      assert.throws(() => encodeInferenceResponse(bad, { binaryOutput: false }), {
        code: "non_finite_output",
        message: /element 1 of output 'y'.*request binary output/,
      });
      const { body, headerLength } = encodeInferenceResponse(bad, { binaryOutput: true });
      assert.deepEqual(decodeInferenceResponse(body, String(headerLength)), bad);
    });
  }
  test("-0 keeps its sign", () => assert.equal(dataText(floats(1, -0, 0)), "[1,-0,0]"));
  test("64-bit integers keep every digit", () => {
    const bytes = new Uint8Array(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)).buffer);
    assert.equal(dataText(tensor("y", "INT64", [2], bytes)), "[9223372036854775807,-9223372036854775808]");
    assert.equal(dataText(tensor("y", "UINT64", [1], new Uint8Array(8).fill(255))), "[18446744073709551615]");
  });
  test("BOOL is true and false", () => {
    assert.equal(dataText(tensor("y", "BOOL", [2], Uint8Array.of(1, 0))), "[true,false]");
  });
  test("BYTES are strings, byte order mark and all", () => {
    const bytes = encodeBytesElements([utf8("\ufeffa"), utf8(""), utf8('"😀\u0000')]);
    assert.deepEqual(JSON.parse(dataText(tensor("y", "BYTES", [3], bytes))), ["\ufeffa", "", '"😀\u0000']);
  });
  test("BYTES that are not UTF-8 are refused, not replaced", () => {
    const bytes = encodeBytesElements([utf8("ok"), Uint8Array.of(0xff)]);
    assert.throws(() => dataText(tensor("y", "BYTES", [2], bytes)), {
      code: "binary_required",
      message: /element 1 of output 'y'/,
    });
  });
  test("an output at an odd offset of a larger buffer is read in place", () => {
    const buffer = new Uint8Array(9);
    buffer.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1);
    assert.equal(dataText(tensor("y", "FP32", [2], buffer.subarray(1))), "[1.5,-2]");
    assert.equal(dataText(tensor("y", "FP32", [2], Buffer.from(buffer.buffer).subarray(1))), "[1.5,-2]");
  });
});

describe("decodeInferenceResponse", () => {
  const good = encodeInferenceResponse(response(floats(1, 2)), { binaryOutput: true });
  test("every cut of the body is a bad pool response", () => {
    for (let length = 0; length < good.body.length; length++) {
      assert.throws(() => decodeInferenceResponse(good.body.subarray(0, length), String(good.headerLength)), {
        code: "bad_pool_response",
      });
    }
  });
  for (const [name, body, header] of [
    ["an HTML page", "<html>", null],
    ["an error body", '{"error":"no"}', null],
    ["a model_name that is no text", '{"model_name":1,"outputs":[]}', null],
    ["a raw header", "{}", "0"],
    ["a wrong header", "{}", "three"],
    ["an output without data", '{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1]}]}', null],
  ] as const) {
    test(`${name} is a bad pool response`, () => {
      assert.throws(() => decodeInferenceResponse(utf8(body), header), { code: "bad_pool_response" });
    });
  }
});
