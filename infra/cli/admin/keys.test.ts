import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keys } from "./admin.ts";
import { CREATED, KEY, KEY_TEXT, sent, typed } from "./scripted-api.ts";

describe("keys", () => {
  test("create prints the key alone, and a sentence beside it", async (context) => {
    const { printed, noted, asked } = await typed(context, keys, "create acme", { ...KEY, key: KEY_TEXT });
    assert.equal(printed, KEY_TEXT);
    assert.match(noted, /0aB1cD2eF3 of acme/);
    assert.ok(!noted.includes(KEY_TEXT));
    assert.deepEqual(sent(asked), [
      { method: "POST", path: "tenants/acme/keys", body: { scopes: ["predict:*"], limits: {} } },
    ]);
  });

  test("create sends name, scopes, expiry and limits", async (context) => {
    const line = "create acme --name ci --scope predict:digits --scope jobs --expires 90d --rate 10/s";
    const { asked } = await typed(context, keys, line, { ...KEY, key: KEY_TEXT });
    assert.deepEqual(sent(asked)[0]?.body, {
      ...{ name: "ci", scopes: ["predict:digits", "jobs"], expiresAt: Date.UTC(2027, 0, 1) + 90 * 86_400_000 },
      limits: { rate: { perSecond: 10, burst: 10 } },
    });
  });

  test("create with --json prints one document and nothing beside it", async (context) => {
    const { printed, noted } = await typed(context, keys, "create acme --json", { ...KEY, key: KEY_TEXT });
    assert.deepEqual(JSON.parse(printed), { ...KEY, key: KEY_TEXT });
    assert.equal(noted, "");
  });

  test("rotate prints the new text alone", async (context) => {
    const { printed, asked } = await typed(context, keys, "rotate acme 0aB1cD2eF3 --overlap 2h", {
      ...KEY,
      key: KEY_TEXT,
    });
    assert.equal(printed, KEY_TEXT);
    assert.deepEqual(sent(asked), [
      { method: "POST", path: "tenants/acme/keys/0aB1cD2eF3/rotate", body: { overlapSeconds: 7200 } },
    ]);
  });

  test("revoke sends a DELETE and says since when", async (context) => {
    const { printed, asked } = await typed(context, keys, "revoke acme 0aB1cD2eF3", { ...KEY, revokedAt: CREATED });
    assert.deepEqual(sent(asked), [{ method: "DELETE", path: "tenants/acme/keys/0aB1cD2eF3", body: undefined }]);
    assert.match(printed, /^status +revoked 2026-11-23T12:00:00Z$/m);
  });

  test("set --expires never takes the expiry away", async (context) => {
    const { asked } = await typed(context, keys, "set acme 0aB1cD2eF3 --expires never", KEY);
    assert.deepEqual(sent(asked)[0], {
      method: "PATCH",
      path: "tenants/acme/keys/0aB1cD2eF3",
      body: { expiresAt: null },
    });
  });

  test("ls tells keys in use from those that are being rotated, have expired or were revoked", async (context) => {
    const later = Date.UTC(2027, 0, 2);
    const items = [
      KEY,
      { ...KEY, secrets: [{ notAfter: null }, { notAfter: later }] },
      { ...KEY, expiresAt: CREATED },
      { ...KEY, revokedAt: CREATED },
    ];
    const { printed } = await typed(context, keys, "ls acme", { items, next: null });
    const [, ...lines] = printed.split("\n");
    const expected = [
      / active /,
      / rotating until 2027-01-02T00:00:00Z /,
      / expired /,
      / revoked 2026-11-23T12:00:00Z /,
    ];
    for (const [index, status] of expected.entries()) assert.match(lines[index] ?? "", status);
  });

  test("a key's name cannot write over the terminal", async (context) => {
    const items = [{ ...KEY, name: "\u001b[1A\u001b[2Kgone\u009b" }];
    for (const line of ["ls acme", "ls acme --json"]) {
      const { printed } = await typed(context, keys, line, { items, next: null });
      assert.ok(!printed.includes("\u001b") && !printed.includes("\u009b"));
    }
  });
});
