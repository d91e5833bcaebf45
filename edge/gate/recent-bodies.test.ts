import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { RecentBodies } from "./recent-bodies.ts";

const utf8 = new TextEncoder();
const bodyOf = (text: string) =>
  utf8.encode(JSON.stringify({ inputs: [{ name: "x", shape: [1], datatype: "BYTES", data: [text] }] }));
const decode = (recent: RecentBodies, body: Uint8Array, tenant = "acme", now = 0) =>
  recent.decode(body, null, tenant, now);

describe("recent bodies", () => {
  test("the same body is the same object again, and what it was decoded to is what decoding gives", () => {
    const recent = new RecentBodies();
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const body = bodyOf(text);
        const first = decode(recent, body);
        assert.equal(decode(recent, Uint8Array.from(body)), first);
        assert.deepEqual(first, { kind: "tensors", request: decodeInferenceRequest(body, null) });
      }),
    );
  });

  test("bodies that differ in one byte, whichever it is, are never taken for one another", () => {
    const recent = new RecentBodies();
    const binary = (low: number, high: number) => {
      const text = `{"inputs":[{"name":"x","shape":[2],"datatype":"UINT8","parameters":{"binary_data_size":2}}]}`;
      return { body: Uint8Array.from([...utf8.encode(text), low, high]), headerLength: String(text.length) };
    };
    const seen = new Set<unknown>();
    for (let byte = 0; byte < 256; byte++) {
      const { body: one, headerLength: length } = binary(byte, 255 - byte);
      const decoded = recent.decode(one, length, "acme", 0);
      assert.deepEqual(decoded, { kind: "tensors", request: decodeInferenceRequest(one, length) });
      seen.add(decoded);
    }
    assert.equal(seen.size, 256);
  });

  test("another tenant's, and one that came a minute ago, is decoded anew", () => {
    const recent = new RecentBodies();
    const first = decode(recent, bodyOf("a"));
    assert.notEqual(decode(recent, bodyOf("a"), "umbrella"), first);
    assert.notEqual(decode(recent, bodyOf("a"), "acme", 60_000), first);
  });

  test("a body that is refused is refused each time", () => {
    const recent = new RecentBodies();
    for (let time = 0; time < 2; time++) {
      assert.throws(() => decode(recent, utf8.encode('{"inputs":')), { code: "malformed_json" });
    }
  });

  test("large ones are not remembered", () => {
    const recent = new RecentBodies();
    const body = bodyOf("x".repeat(16 * 1024));
    assert.notEqual(decode(recent, body), decode(recent, body));
  });
});
