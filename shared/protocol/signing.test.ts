import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatAuthorization, formatParameters, parseAuthorization, parseSigningKeys, textToSign } from "./signing.ts";

const from = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength });
const word = "ABCXYZabcxyz019_-";
const parameters = fc.record({
  keyId: from(word, 1, 32),
  signedAt: fc.integer({ min: 1e12, max: 9e12 }),
  nonce: from(word, 22, 64),
  tenant: from("abcxyz019-", 0, 63),
  timeoutMs: fc.integer({ min: 1, max: 60_000 }),
  maxRows: fc.integer({ min: 0, max: 1_000_000 }),
  requestId: from(`${word}.`, 1, 64),
});

describe("the authorization header", () => {
  test("says what was put into it", () => {
    fc.assert(
      fc.property(parameters, from(word, 43, 43), (fields, signature) => {
        const text = formatParameters(fields);
        assert.deepEqual(parseAuthorization(formatAuthorization(text, signature)), {
          fields: { ...fields },
          parameters: text,
          signature,
        });
      }),
    );
  });
  test("is nothing unless every parameter has its form", () => {
    fc.assert(fc.property(fc.string(), (noise) => assert.equal(parseAuthorization(`Warmgate ${noise}`), undefined)));
  });
});

describe("textToSign", () => {
  test("two requests that differ in anything never share a text with their bodies", () => {
    const line = fc.string().filter((text) => !text.includes("\n"));
    const request = fc.tuple(line, line, line, line, fc.string());
    fc.assert(
      fc.property(request, request, (left, right) => {
        fc.pre(left.some((value, index) => value !== right[index]));
        const [method, target, headerLength, text, body] = left;
        const [otherMethod, otherTarget, otherHeaderLength, otherText, otherBody] = right;
        assert.notEqual(
          textToSign(method, target, headerLength, text) + body,
          textToSign(otherMethod, otherTarget, otherHeaderLength, otherText) + otherBody,
        );
      }),
    );
  });
});

describe("parseSigningKeys", () => {
  const secret = (byte: number) => Buffer.alloc(32, byte).toString("base64url");

  test("the first key signs, the others follow", () => {
    const keys = parseSigningKeys(`new:${secret(0xfb)}, old:${secret(2)}`);
    assert.deepEqual(
      keys.map(({ id }) => id),
      ["new", "old"],
    );
    assert.deepEqual([...keys[0].secret], new Array(32).fill(0xfb));
  });
  test("refuses a short secret, by its id and not by its text", () => {
    const short = Buffer.alloc(31, 7).toString("base64url");
    assert.throws(
      () => parseSigningKeys(`k:${short}`),
      (error: Error) => error instanceof RangeError && /key k /.test(error.message) && !error.message.includes(short),
    );
  });
  for (const text of ["", "k", "k:", `:${secret(1)}`, `k k:${secret(1)}`, `k:${secret(1)},`, `k:${secret(1)}!`]) {
    test(`refuses ${JSON.stringify(text.slice(0, 8))} (${text.length} characters) without showing the secret`, () => {
      assert.throws(
        () => parseSigningKeys(text),
        (error: Error) => error instanceof RangeError && !error.message.includes(secret(1)),
      );
    });
  }
});
