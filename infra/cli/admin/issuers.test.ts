import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { issuers } from "./admin.ts";
import { sent, typed } from "./scripted-api.ts";

describe("issuers", () => {
  const record = {
    ...{ issuer: "https://id.example.com", audience: "warmgate", jwksUrl: "https://id.example.com/jwks" },
    ...{ algorithms: ["RS256"], tenant: { fixed: "acme" } },
  };

  test("set sends the record under its name", async (context) => {
    const line =
      "set corporate --issuer https://id.example.com --audience warmgate --jwks https://id.example.com/jwks --tenant acme";
    const { asked } = await typed(context, issuers, line, { id: "corporate", ...record });
    assert.deepEqual(sent(asked), [{ method: "PUT", path: "issuers/corporate", body: record }]);
  });

  test("set takes a URL as the name and the issuer in one", async (context) => {
    const line =
      "set https://id.example.com --audience a --jwks https://id.example.com/jwks --tenant-claim org --allow jobs";
    const { asked } = await typed(context, issuers, line, record);
    const [request] = sent(asked);
    assert.equal(request?.path, "issuers/https%3A%2F%2Fid.example.com");
    assert.deepEqual(request?.body, { ...record, audience: "a", tenant: { claim: "org" }, allowedScopes: ["jobs"] });
  });
});
