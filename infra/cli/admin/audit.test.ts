import assert from "node:assert/strict";
import { test } from "node:test";
import { audit } from "./admin.ts";
import { CREATED, typed } from "./scripted-api.ts";

test("audit names the fields that were changed, and goes on where it ended", async (context) => {
  const entry = { id: 9, at: CREATED, actor: "0aB1cD2eF3", action: "tenant.change", subject: "acme", tenant: "acme" };
  const change = { before: { plan: "a", limits: {} }, after: { plan: "b", limits: {} }, version: 4, requestId: "r-1" };
  const page = { items: [{ ...entry, ...change }], next: 9 };
  const { printed, noted, asked } = await typed(context, audit, "--tenant acme --limit 1", page);
  assert.equal(asked[0]?.url, "/admin/v1/tenants/acme/audit?limit=1");
  assert.match(printed, / tenant\.change +acme +acme +plan +r-1$/m);
  assert.equal(noted, "There is more: add --before 9");
});
