import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { type IssuerKeys, type KeySet, keySetSchema, tokenIssuerSchema } from "../../shared/protocol/token-issuer.ts";
import { LAST_GOOD_MS, verifyToken } from "./verify-token.ts";

const NOW = Date.UTC(2026, 10, 23, 12);
const seconds = (fromNow: number) => Math.floor(NOW / 1000) + fromNow;
const ISSUER = tokenIssuerSchema.parse({
  ...{ id: "login", issuer: "https://login.example.com", audience: "warmgate" },
  ...{ jwksUrl: "https://login.example.com/keys", algorithms: ["ES256"], tenant: { claim: "tenant" } },
  allowedScopes: ["predict:*", "jobs"],
});
const CLAIMS = {
  ...{ iss: ISSUER.issuer, aud: ISSUER.audience, sub: "someone", exp: seconds(600) },
  ...{ tenant: "acme", scope: "predict:digits jobs" },
};

describe("tokens", () => {
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let others: Awaited<ReturnType<typeof generateKeyPair>>;
  let issuers: IssuerKeys[];
  before(async () => {
    keys = await generateKeyPair("ES256", { extractable: true });
    others = await generateKeyPair("ES256", { extractable: true });
    issuers = [{ issuer: ISSUER, keySet: await keySet([keys, "one"]), fetchedAt: NOW }];
  });

  const keySet = async (...pairs: [typeof keys, string][]): Promise<KeySet> =>
    keySetSchema.parse({
      keys: await Promise.all(pairs.map(async ([pair, kid]) => ({ ...(await exportJWK(pair.publicKey)), kid }))),
    });
  const sign = (claims: JWTPayload = CLAIMS, header: Record<string, unknown> = {}, pair = keys) =>
    new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "one", ...header }).sign(pair.privateKey);
  const refused = (token: string, by: readonly IssuerKeys[] = issuers, now = NOW) =>
    assert.rejects(verifyToken(token, by, now), { code: "unauthenticated" });
  const without = (name: string): JWTPayload =>
    Object.fromEntries(Object.entries(CLAIMS).filter(([key]) => key !== name));

  test("a good one gives its tenant, its scopes and its end, and no name", async () => {
    const verified = await verifyToken(await sign(), issuers, NOW);
    assert.deepEqual(
      { ...verified, subject: "" },
      {
        ...{ tenant: "acme", subject: "", scopes: ["predict:digits", "jobs"], expiresAt: CLAIMS.exp * 1000 },
      },
    );
    assert.match(verified.subject, /^login:[0-9a-f]{16}$/);
  });

  const wrong: Record<string, () => Promise<string>> = {
    "one signed by somebody else": () => sign(CLAIMS, {}, others),
    "one of another issuer": () => sign({ ...CLAIMS, iss: "https://evil.example.com" }),
    "one for another audience": () => sign({ ...CLAIMS, aud: "other" }),
    "an expired one": () => sign({ ...CLAIMS, exp: seconds(-60) }),
    "one that never ends": () => sign(without("exp")),
    "one that ends in a year": () => sign({ ...CLAIMS, exp: seconds(365 * 86_400) }),
    "one that is not valid yet": () => sign({ ...CLAIMS, nbf: seconds(300) }),
    "one without a tenant": () => sign(without("tenant")),
    "one whose tenant is no name": () => sign({ ...CLAIMS, tenant: "../operator" }),
    "one whose tenant is no text": () => sign({ ...CLAIMS, tenant: ["acme"] }),
    "one with an unknown key id": () => sign(CLAIMS, { kid: "two" }),
    "one with a critical header that nobody knows": () => sign(CLAIMS, { crit: ["x"], x: 1 }).catch(() => "eyJ.e30.x"),
    "an oversized one": () => sign({ ...CLAIMS, padding: "x".repeat(9_000) }),
    "an unsigned one": async () => {
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
      return `${encode({ alg: "none" })}.${encode(CLAIMS)}.`;
    },
    "one signed with the public key as a shared secret": async () =>
      new SignJWT(CLAIMS)
        .setProtectedHeader({ alg: "HS256", kid: "one" })
        .sign(new TextEncoder().encode(await exportSPKI(keys.publicKey))),
    "one that brings its own key": async () => {
      const jwk = await exportJWK(others.publicKey);
      return sign(CLAIMS, { jwk, jku: "https://evil.example.com/keys" }, others);
    },
  };
  for (const [name, make] of Object.entries(wrong)) test(`${name} is refused`, async () => refused(await make()));

  test("a changed one is refused, wherever it was changed", async () => {
    const token = await sign();
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.constantFrom(..."AZaz09_-"), async (index, letter) => {
        // The last letter of a part may hold bits that stand for nothing.
        fc.pre(
          token[index] !== letter && token[index + 1] !== "." && index !== token.length - 1 && token[index] !== ".",
        );
        await refused(token.slice(0, index) + letter + token.slice(index + 1));
      }),
    );
  });

  test("scopes that are not ours, or that its issuer may not grant, are left out", async () => {
    const scope = "admin predict:* openid jobs predict:../x";
    assert.deepEqual((await verifyToken(await sign({ ...CLAIMS, scope }), issuers, NOW)).scopes, ["predict:*", "jobs"]);
    const narrow = [{ ...issuers[0]!, issuer: { ...ISSUER, allowedScopes: ["predict:digits"] } }];
    assert.deepEqual((await verifyToken(await sign({ ...CLAIMS, scope }), narrow, NOW)).scopes, []);
  });

  test("while an issuer rotates its keys both are taken, also without a key id", async () => {
    const both = [{ issuer: ISSUER, keySet: await keySet([others, "two"], [keys, "one"]), fetchedAt: NOW }];
    for (const pair of [keys, others]) {
      const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "ES256" }).sign(pair.privateKey);
      assert.equal((await verifyToken(token, both, NOW)).tenant, "acme");
    }
  });

  test("an issuer's last good keys are used for an hour, and no longer", async () => {
    const token = await sign({ ...CLAIMS, exp: seconds(7_200) });
    assert.ok(await verifyToken(token, issuers, NOW + LAST_GOOD_MS));
    await refused(token, issuers, NOW + LAST_GOOD_MS + 1);
    await refused(token, [{ ...issuers[0]!, keySet: null }]);
  });

  test("a fixed tenant is not for the token to say", async () => {
    const fixed = [{ ...issuers[0]!, issuer: { ...ISSUER, tenant: { fixed: "own" } } }];
    assert.equal((await verifyToken(await sign(), fixed, NOW)).tenant, "own");
  });

  test("a key set with a private or a shared key is not taken", async () => {
    const jwk = await exportJWK(keys.privateKey);
    assert.ok(!keySetSchema.safeParse({ keys: [jwk] }).success);
    assert.ok(!keySetSchema.safeParse({ keys: [{ kty: "oct", k: "AAAA" }] }).success);
  });
});
