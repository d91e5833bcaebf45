import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UNLIMITED } from "../../../shared/protocol/tenant-limits.ts";
import { tenants } from "./admin.ts";
import { answerJson, sent, TENANT, typed, typedTo } from "./scripted-api.ts";

describe("tenants", () => {
  test("create sends what the options say", async (context) => {
    const line = "create acme --rate 100/s --burst 20 --concurrency 8 --quota 1000000/month";
    const { code, asked } = await typed(context, tenants, line, TENANT);
    assert.equal(code, 0);
    const limits = { rate: { perSecond: 100, burst: 20 }, concurrency: 8, quotaPerMonth: 1_000_000 };
    assert.deepEqual(sent(asked), [{ method: "POST", path: "tenants", body: { id: "acme", limits } }]);
  });

  test("show says where each limit comes from and where it stands", async (context) => {
    const standing = { kind: "rate", account: "tenant", quota: 20, windowSeconds: 1, remaining: 13, resetMs: 1500 };
    const { printed } = await typedTo(context, tenants, "show acme", ({ url }, response) =>
      answerJson(response, url?.endsWith("/limits") ? { standings: [standing] } : TENANT),
    );
    assert.match(printed, /^status +active$/m);
    assert.match(printed, /^created +2026-11-23T12:00:00Z$/m);
    assert.match(printed, /^rate +100\/s, burst 20 +tenant$/m);
    assert.match(printed, /^quota\/month +1,000,000 +plan$/m);
    assert.match(printed, /^concurrency +unlimited +plan$/m);
    assert.match(printed, /^tenant +rate +20 +13 +2s$/m);
  });

  test("show shows the tenant although its limiter cannot be asked", async (context) => {
    const { code, printed, noted } = await typedTo(context, tenants, "show acme", ({ url }, response) => {
      if (!url?.endsWith("/limits")) return answerJson(response, TENANT);
      answerJson(response, { error: "not now", code: "limiter_unavailable" }, 503);
    });
    assert.equal(code, 0);
    assert.match(printed, /^tenant +acme$/m);
    assert.match(noted, /limiter_unavailable/);
  });

  test("set with a burst alone keeps the rate", async (context) => {
    const { asked } = await typed(context, tenants, "set acme --burst 50 --inherit quota/month", TENANT);
    assert.deepEqual(sent(asked), [
      { method: "GET", path: "tenants/acme", body: undefined },
      {
        method: "PATCH",
        path: "tenants/acme",
        body: { limits: { rate: { perSecond: 100, burst: 50 } }, inherit: ["quotaPerMonth"] },
      },
    ]);
  });

  test("suspend and resume send only that", async (context) => {
    const suspend = await typed(context, tenants, "suspend acme", { ...TENANT, suspended: true });
    assert.deepEqual(sent(suspend.asked)[0]?.body, { suspended: true });
    assert.match(suspend.printed, /^status +suspended$/m);
    const resume = await typed(context, tenants, "resume acme", TENANT);
    assert.deepEqual(sent(resume.asked)[0]?.body, { suspended: false });
  });

  test("ls is a table with a line a tenant, and says when there are more", async (context) => {
    const page = { items: [TENANT, { ...TENANT, id: "bolt", suspended: true }], next: "bolt" };
    const { printed, noted, asked } = await typed(context, tenants, "ls --limit 2", page);
    assert.equal(asked[0]?.url, "/admin/v1/tenants?limit=2");
    const [, first, second] = printed.split("\n");
    assert.match(
      first ?? "",
      /^acme +default {2}100\/s, burst 20 +unlimited +unlimited +1,000,000 {2}active +2026-11-23T12:00:00Z$/,
    );
    assert.match(second ?? "", /^bolt .* suspended /);
    assert.equal(noted, "There is more: add --after bolt");
  });

  test("with --json print what the server answered, what this command line does not know included", async (context) => {
    const page = { items: [{ ...TENANT, region: "eu", effectiveLimits: { ...UNLIMITED, watts: 5 } }], next: null };
    const { printed, noted } = await typed(context, tenants, "ls --json", page);
    assert.deepEqual(JSON.parse(printed), page);
    assert.equal(noted, "");
  });
});
