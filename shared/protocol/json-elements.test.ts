import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Datatype } from "./datatype.ts";
import { decodeInferenceRequest } from "./request.ts";

/** Decodes `data`, written as JSON text, through the whole request. */
function decode(datatype: Datatype, shape: number[], data: string): Uint8Array {
  const json = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${shape}],"data":${data}}]}`;
  return decodeInferenceRequest(new TextEncoder().encode(json), null).inputs[0]!.bytes;
}
const longs = (bytes: Uint8Array) => [...new BigInt64Array(bytes.buffer)];
const unsignedLongs = (bytes: Uint8Array) => [...new BigUint64Array(bytes.buffer)];

describe("JSON tensor data", () => {
  for (const data of ["[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]"]) {
    test(`${data} fits shape [2,3]`, () => {
      assert.deepEqual([...decode("UINT8", [2, 3], data)], [1, 2, 3, 4, 5, 6]);
    });
  }
  for (const [shape, data] of [
    [[2, 2, 1], "[[[1],[2]],[[3],[4]]]"],
    [[0, 3], "[]"],
    [[2, 0], "[[],[]]"],
    [[2, 0], "[]"],
    [[1, 0, 5], "[[]]"],
    [[], "[7]"],
  ] as const) {
    test(`${data} fits shape [${shape}]`, () => assert.doesNotThrow(() => decode("UINT8", [...shape], data)));
  }
  for (const [shape, data] of [
    [[2, 3], "[1,2,3,4,5]"],
    [[2, 3], "[1,2,3,4,5,6,7]"],
    [[2, 3], "[[1,2,3],[4,5]]"],
    [[2, 3], "[[1,2,3],[4,5,6],[7,8,9]]"],
    [[2, 3], "[[1,2],[3,4],[5,6]]"],
    [[2, 3], "[[1,2,3],4,5,6]"],
    [[2, 3], "[1,2,3,[4,5,6]]"],
    [[2, 3], "[[1,2,3],[[4,5,6]]]"],
    [[2, 3], "[[1,2,3],[4,5,[6]]]"],
    [[2, 2, 1], "[[1,2],[3,4]]"],
    [[2], "[[1],[2]]"],
    [[1], "[[1]]"],
    [[], "[]"],
    [[], "7"],
    [[3, 0], "[[],[]]"],
    [[1], '"1"'],
    [[1], '{"0":1,"length":1}'],
  ] as const) {
    test(`${data} does not fit shape [${shape}]`, () => {
      assert.throws(() => decode("UINT8", [...shape], data), { code: "invalid_data", message: /input 'x'/ });
    });
  }

  const refused: [Datatype, string, string][] = [
    ["BOOL", "1", "invalid_data"],
    ["BOOL", "0", "invalid_data"],
    ["BOOL", '"true"', "invalid_data"],
    ["UINT8", "300", "invalid_data"],
    ["UINT8", "-1", "invalid_data"],
    ["UINT8", "1.5", "invalid_data"],
    ["UINT8", "true", "invalid_data"],
    ["INT8", "128", "invalid_data"],
    ["INT8", "-129", "invalid_data"],
    ["UINT16", "65536", "invalid_data"],
    ["INT16", "32768", "invalid_data"],
    ["UINT32", "4294967296", "invalid_data"],
    ["INT32", "2147483648", "invalid_data"],
    ["INT32", '"5"', "invalid_data"],
    ["INT32", "1e400", "non_finite"],
    ["INT64", "0.5", "invalid_data"],
    ["INT64", "9223372036854775808", "invalid_data"],
    ["INT64", "-9223372036854775809", "invalid_data"],
    ["INT64", '"9007199254740993"', "invalid_data"],
    ["INT64", "1e18", "invalid_data"],
    ["INT64", "9007199254740993.0", "invalid_data"],
    ["INT64", "123456789012345678901234567890", "invalid_data"],
    ["UINT64", "-1", "invalid_data"],
    ["UINT64", "-9007199254740993", "invalid_data"],
    ["UINT64", "18446744073709551616", "invalid_data"],
    ["FP32", "3.5e38", "invalid_data"],
    ["FP32", "-1e308", "invalid_data"],
    ["FP32", "1e400", "non_finite"],
    ["FP32", "null", "non_finite"],
    ["FP32", '"NaN"', "invalid_data"],
    ["FP32", "true", "invalid_data"],
    ["FP32", "{}", "invalid_data"],
    ["FP64", "-1e400", "non_finite"],
    ["FP64", "null", "non_finite"],
    ["FP64", "[1]", "invalid_data"],
    ["FP16", "1", "binary_required"],
    ["BF16", "1", "binary_required"],
    ["BYTES", "1", "invalid_data"],
    ["BYTES", "null", "non_finite"],
    ["BYTES", '"\\ud800"', "invalid_data"],
    ["BYTES", '"\\udc00\\ud800"', "invalid_data"],
  ];
  for (const [datatype, element, code] of refused) {
    test(`${datatype} refuses ${element}`, () => {
      assert.throws(() => decode(datatype, [1], `[${element}]`), { code, message: /input 'x'/ });
    });
  }
  test("the error names the element, counted flat", () => {
    assert.throws(() => decode("INT8", [2, 2], "[[1,2],[3,999]]"), {
      message: "element 3 of input 'x' is outside the range of INT8",
    });
  });

  test("the largest decimal that still rounds to a finite FP32 is taken", () => {
    const overflow = 2 ** 128 - 2 ** 103;
    assert.equal(Math.fround(overflow), Number.POSITIVE_INFINITY);
    const bytes = decode("FP32", [1], `[${overflow - 2 ** 75}]`);
    assert.equal(new Float32Array(bytes.buffer)[0], 3.4028234663852886e38);
    assert.throws(() => decode("FP32", [1], `[${overflow}]`), { code: "invalid_data" });
  });
  test("-0 keeps its sign in FP32 and FP64 and is 0 as an integer", () => {
    assert.deepEqual([...decode("FP32", [1], "[-0]")], [0, 0, 0, 128]);
    assert.deepEqual([...decode("FP64", [1], "[-0.0]")], [0, 0, 0, 0, 0, 0, 0, 128]);
    assert.deepEqual([...decode("INT64", [1], "[-0]")], [0, 0, 0, 0, 0, 0, 0, 0]);
  });
  test("1.0 and 1e3 are whole numbers", () => {
    assert.deepEqual([...decode("UINT16", [2], "[1.0,1e3]")], [1, 0, 232, 3]);
  });

  test("INT64 is exact to its ends", () => {
    const values = [
      2n ** 63n - 1n,
      -(2n ** 63n),
      2n ** 53n + 1n,
      -(2n ** 53n) - 1n,
      2n ** 53n - 1n,
      -1n,
      0n,
      -(2n ** 32n),
    ];
    assert.deepEqual(longs(decode("INT64", [8], `[${values}]`)), values);
  });
  test("INT64 below 2^53 is exact on the short way", () => {
    const values = [2n ** 53n - 1n, 1n - 2n ** 53n, 2n ** 32n, -(2n ** 32n), -(2n ** 32n) - 1n, -1n, 0n, 2n ** 31n];
    assert.deepEqual(longs(decode("INT64", [8], `[${values}]`)), values);
  });
  test("UINT64 is exact to its end, nested too", () => {
    const bytes = decode("UINT64", [2, 2], "[[18446744073709551615,9007199254740993],[1,2]]");
    assert.deepEqual(unsignedLongs(bytes), [2n ** 64n - 1n, 2n ** 53n + 1n, 1n, 2n]);
  });
  test("reading long integers exactly leaves other tensors and strings as they are", () => {
    const json = `{"inputs":[
      {"name":"s","datatype":"BYTES","shape":[1],"data":["-9007199254740993"]},
      {"name":"l","datatype":"INT64","shape":[1],"data":[9007199254740993]},
      {"name":"d","datatype":"FP64","shape":[2],"data":[9007199254740993,1e300]}]}`;
    const [s, l, d] = decodeInferenceRequest(new TextEncoder().encode(json), null).inputs;
    assert.equal(new TextDecoder().decode(s!.bytes.subarray(4)), "-9007199254740993");
    assert.deepEqual(longs(l!.bytes), [9007199254740993n]);
    assert.deepEqual([...new Float64Array(d!.bytes.buffer)], [9007199254740992, 1e300]);
  });

  test("strings become UTF-8 as they are: NUL, emoji, byte order mark, composed and decomposed", () => {
    const strings = ["", "\u0000", "😀", "\ufeffx", "é", "e\u0301"];
    const bytes = decode("BYTES", [6], JSON.stringify(strings));
    const expected = strings.flatMap((text) => {
      const utf8 = [...new TextEncoder().encode(text)];
      return [utf8.length, 0, 0, 0, ...utf8];
    });
    assert.deepEqual([...bytes], expected);
  });

  test("a shape that claims 2 GiB gets none of it", () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const datatype of ["FP64", "INT64", "BYTES", "BOOL"] as const) {
      assert.throws(() => decode(datatype, [2 ** 28], "[1]"), { code: "invalid_data" });
      assert.throws(() => decode(datatype, [1, 2 ** 28], "[[1]]"), { code: "invalid_data" });
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 1e6);
  });
});
