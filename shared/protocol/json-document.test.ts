import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseJson } from "./json-document.ts";
import { quoteLongIntegers } from "./json-integers.ts";
import { DEFAULT_CODEC_LIMITS as LIMITS } from "./limits.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => parseJson(utf8(text), LIMITS);
const nested = (depth: number, inner = "") => "[".repeat(depth) + inner + "]".repeat(depth);

describe("parseJson", () => {
  test("refuses what is not JSON without quoting it", () => {
    assert.throws(
      () => parse('{"data": [secret]}'),
      (error: Error) => "code" in error && error.code === "malformed_json" && !error.message.includes("secret"),
    );
  });
  for (const text of [
    "",
    "{",
    "[NaN]",
    "[Infinity]",
    "[-Infinity]",
    "{'a':1}",
    "[1,]",
    "\ufeff{}",
    "[01]",
    '"\u0000"',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parse(text), { code: "malformed_json" }));
  }
  test("refuses bytes that are not UTF-8", () => {
    assert.throws(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), LIMITS), { code: "malformed_json" });
  });
  test("takes JSON as deep as the limit", () => assert.ok(Array.isArray(parse(nested(64)).value)));
  test("refuses JSON one level deeper", () => {
    assert.throws(() => parse(nested(65)), { code: "invalid_request", message: /64 levels/ });
  });
  for (const text of [nested(1e5), "[".repeat(1e5), '{"a":'.repeat(1e5), nested(1e5, "9007199254740993")]) {
    test(`refuses ${text.slice(0, 10)}... 100,000 deep`, () => {
      assert.throws(() => parse(text), { code: "invalid_request" });
    });
  }
  test("does not take brackets in strings for depth", () => {
    const text = JSON.stringify([`${"[{".repeat(100)}"\\`, "]".repeat(100), "\\"]);
    assert.deepEqual(parse(text).value, JSON.parse(text));
  });
  test("closing brackets in strings do not hide depth", () => {
    assert.throws(() => parse(`${'["]",'.repeat(65)}1${"]".repeat(65)}`), { code: "invalid_request" });
  });
  test("many shallow arrays are not deep", () => assert.ok(parse(`[${"[],".repeat(1000)}[]]`).value));
});

describe("quoteLongIntegers", () => {
  test("agrees with a reviver that reads the source text", () => {
    const number = fc.oneof(
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc
        .tuple(fc.bigInt(0n, 2n ** 64n), fc.constantFrom(".0", "e0", "E+2", "e-3"))
        .map(([digits, tail]) => digits + tail),
    );
    const string = fc
      .string({ unit: fc.constantFrom('"', "\\", "9007199254740993", ",", "é", "-") })
      .map((text) => JSON.stringify(text));
    fc.assert(
      fc.property(fc.array(fc.oneof(number, string)), fc.constantFrom(",", " , ", ",\n"), (items, comma) => {
        const json = `{"9007199254740993":[${items.join(comma)}]}`;
        assert.deepEqual(JSON.parse(quoteLongIntegers(json)), JSON.parse(json, sourceOfLongIntegers));
      }),
    );
  });
});

function sourceOfLongIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source ?? "";
  return typeof value === "number" && /^-?[0-9]{16,20}$/.test(source) ? source : value;
}
