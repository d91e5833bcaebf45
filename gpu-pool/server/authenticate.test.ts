import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import { parseSigningKeys, type SignedParameters } from "../../shared/protocol/signing.ts";
import { newSigningKey, type Signable, signedHeaders } from "../../test/support/signing-client.ts";
import { SignatureAuthenticator } from "./authenticate.ts";

const KEY = newSigningKey("k1");
const NOW = 1_800_000_000_000;
const NONCE = "n".repeat(22);
const BODY = Buffer.from('{"inputs":[]}');
const SENT: Signable = {
  method: "POST",
  target: "/v2/models/m/infer?a=1",
  body: BODY,
  tenant: "acme",
  timeoutMs: 500,
  maxRows: 0,
  requestId: "r-1",
  signedAt: NOW,
};

function bench(keys = KEY) {
  const reasons: string[] = [];
  let now = NOW;
  const authenticator = new SignatureAuthenticator(
    parseSigningKeys(keys),
    () => now,
    (reason) => reasons.push(reason),
  );
  return {
    pass: (ms: number) => {
      now += ms;
    },
    /** Why the request is refused; undefined when it is let in. */
    refusal(
      headers: Record<string, string>,
      { method = SENT.method, target = SENT.target, body = BODY } = {},
    ): string | undefined {
      try {
        authenticator.authenticate({ method, target, headers }, body);
        return undefined;
      } catch (error) {
        assert.ok(error instanceof Error && "code" in error && error.code === "invalid_signature");
        assert.doesNotMatch(error.message, /key|nonce|digest|stale|replay/, "the reason is not for the caller");
        return reasons.at(-1);
      }
    },
  };
}

describe("authentication", () => {
  test("a request that the edge has signed is let in", () => {
    assert.equal(bench().refusal(signedHeaders(KEY, SENT)), undefined);
  });

  test("a request without the header, or without any one of its parameters, is refused", () => {
    assert.equal(bench().refusal({}), "unsigned");
    const { authorization = "" } = signedHeaders(KEY, SENT);
    for (const name of ["key", "at", "nonce", "tenant", "timeout", "request", "signature"]) {
      const without = authorization.replace(new RegExp(`,?${name}=[^,]*`), "");
      assert.equal(bench().refusal({ authorization: without }), "unsigned", without);
    }
    assert.equal(bench().refusal({ authorization: `Bearer ${authorization}` }), "unsigned");
  });

  test("a request in which any one signed thing was altered is refused", () => {
    const altered: readonly Partial<SignedParameters>[] = [
      { tenant: "other" },
      { timeoutMs: 60_000 },
      { requestId: "r-2" },
      { signedAt: NOW + 1 },
      { nonce: "a".repeat(24) },
    ];
    for (const change of altered) {
      assert.equal(bench().refusal(signedHeaders(KEY, SENT, change)), "bad_signature", JSON.stringify(change));
    }
    const headers = signedHeaders(KEY, SENT);
    assert.equal(bench().refusal(headers, { method: "GET" }), "bad_signature");
    assert.equal(bench().refusal(headers, { target: "/v2/models/m/infer?a=2" }), "bad_signature");
    assert.equal(bench().refusal(headers, { body: Buffer.from('{"inputs":[ ]}') }), "bad_signature");
    assert.equal(bench().refusal({ ...headers, [INFERENCE_HEADER_LENGTH]: "0" }), "bad_signature");
    const { authorization = "" } = headers;
    const forged = authorization.replace(/signature=.*/, `signature=${"A".repeat(43)}`);
    assert.equal(bench().refusal({ authorization: forged }), "bad_signature");
  });

  test("a key that is not known, or another secret under a known name, is refused", () => {
    assert.equal(bench().refusal(signedHeaders(newSigningKey("k2"), SENT)), "unknown_key");
    assert.equal(bench().refusal(signedHeaders(newSigningKey("k1"), SENT)), "bad_signature");
    for (const keyId of ["__proto__", "constructor"]) {
      assert.equal(bench().refusal(signedHeaders(KEY, SENT, { keyId })), "unknown_key", keyId);
    }
  });

  test("while a key is rotated both are taken, afterwards only the new one", () => {
    const newer = newSigningKey("k2");
    for (const key of [KEY, newer]) assert.equal(bench(`${newer},${KEY}`).refusal(signedHeaders(key, SENT)), undefined);
    assert.equal(bench(newer).refusal(signedHeaders(KEY, SENT)), "unknown_key");
  });

  test("a request is let in once", () => {
    const one = bench();
    const headers = signedHeaders(KEY, SENT);
    assert.equal(one.refusal(headers), undefined);
    assert.equal(one.refusal(headers), "stale_or_replayed");
    one.pass(29_000);
    assert.equal(one.refusal(headers), "stale_or_replayed");
    one.pass(60_000);
    assert.equal(one.refusal(headers), "stale_or_replayed");
  });

  test("a request that was refused does not use up its nonce", () => {
    const one = bench();
    const headers = signedHeaders(KEY, { ...SENT, nonce: NONCE });
    assert.equal(one.refusal(signedHeaders(KEY, { ...SENT, nonce: NONCE }, { tenant: "other" })), "bad_signature");
    assert.equal(one.refusal(headers), undefined);
  });

  test("a request from too long ago or from the future is refused", () => {
    for (const signedAt of [NOW - 30_001, NOW + 30_001]) {
      assert.equal(bench().refusal(signedHeaders(KEY, { ...SENT, signedAt })), "stale_or_replayed");
    }
  });

  test("a nonce or a time of signing of the wrong form is refused", () => {
    for (const nonce of ["", "short", "x".repeat(65)]) {
      assert.equal(bench().refusal(signedHeaders(KEY, { ...SENT, nonce })), "unsigned", nonce);
    }
    for (const signedAt of [Number.NaN, 1e300, -NOW, 1.5]) {
      assert.equal(bench().refusal(signedHeaders(KEY, { ...SENT, signedAt })), "unsigned", String(signedAt));
    }
  });
});
