import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { canonicalText, parseSigningKeys, type SignedFields } from "./signing.ts";

const FIELDS: SignedFields = {
  method: "POST",
  target: "/v2/models/m/infer?x=1",
  contentDigest: "sha-256=:AAAA:",
  tenant: "t",
  timeoutMs: "",
  requestId: "r",
  signedAt: "1",
  nonce: "n",
};

describe("canonicalText", () => {
  test("starts with the version and names each field on its own line", () => {
    assert.deepEqual(canonicalText(FIELDS).split("\n"), ["warmgate-hmac-sha256-v1", ...Object.values(FIELDS)]);
  });
  test("two requests that differ in a field never share a text", () => {
    const line = fc.string().filter((text) => !text.includes("\n"));
    const fields = fc.record({
      method: line,
      target: line,
      contentDigest: line,
      tenant: line,
      timeoutMs: line,
      requestId: line,
      signedAt: line,
      nonce: line,
    });
    fc.assert(
      fc.property(
        fields,
        fc.constantFrom(...(Object.keys(FIELDS) as (keyof SignedFields)[])),
        line,
        (left, name, value) => {
          fc.pre(left[name] !== value);
          assert.notEqual(canonicalText(left), canonicalText({ ...left, [name]: value }));
        },
      ),
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
