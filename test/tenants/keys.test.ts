import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { formatApiKey, parseApiKey } from "../../shared/protocol/api-key.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { SEVEN, TenantClient } from "./tenant-client.ts";

/** What the edge states. */
const REVOKED_WITHIN_MS = 10_000;

describe("API keys", () => {
  let stack: TestStack;
  let client: TenantClient;
  before(async () => {
    stack = await startTestStack(["gpu-pool/models"]);
    client = new TenantClient(stack);
  });
  after(() => stack.stop());

  test("one made a second ago works, and is shown that once only", async () => {
    const key = await client.tenant("fresh");
    assert.equal(await client.status(key), 200);
    const listed = await (await client.call("/admin/v1/tenants/fresh/keys")).text();
    const secret = parseApiKey(key)?.secret ?? "";
    assert.ok(listed.includes(parseApiKey(key)?.kid ?? "-"));
    assert.ok(!listed.includes(secret) && !listed.includes("digest"));
  });

  test("a revoked one stops within ten seconds, also where it is in use", async () => {
    const key = await client.tenant("revoked");
    assert.equal(await client.status(key), 200);
    await client.change("DELETE", `/tenants/revoked/keys/${parseApiKey(key)?.kid}`);
    const revokedAt = performance.now();
    await until("the key to be refused", async () => (await client.status(key)) === 401, REVOKED_WITHIN_MS);
    assert.ok(performance.now() - revokedAt < REVOKED_WITHIN_MS);
    assert.equal(await client.status(key), 401);
  });

  test("while it is rotated both secrets work, afterwards the new one", async () => {
    const first = await client.tenant("rotating");
    const kid = parseApiKey(first)?.kid;
    const rotate = async (overlapSeconds: number) =>
      z
        .looseObject({ key: z.string() })
        .parse(await client.change("POST", `/tenants/rotating/keys/${kid}/rotate`, { overlapSeconds })).key;
    assert.equal(await client.status(first), 200);
    const second = await rotate(3600);
    assert.equal(parseApiKey(second)?.kid, kid);
    assert.deepEqual([await client.status(first), await client.status(second)], [200, 200]);
    const third = await rotate(0);
    assert.equal(await client.status(third), 200);
    await until("the old secrets to be refused", async () => (await client.status(second)) === 401, REVOKED_WITHIN_MS);
    await until("the oldest too", async () => (await client.status(first)) === 401, REVOKED_WITHIN_MS);
  });

  test("it ends when it expires, and one that is over already is not made", async () => {
    await client.tenant("expiring");
    const { key } = await client.key("expiring", { scopes: ["predict:*"], expiresAt: Date.now() + 1_500 });
    assert.equal(await client.status(key), 200);
    await until("the key to be over", async () => (await client.status(key)) === 401, 4_000);
    const refusal = await client.refused("POST", "/tenants/expiring/keys", { scopes: ["predict:*"], expiresAt: 1 });
    assert.equal(refusal.code, "invalid_configuration");
  });

  test("its scopes can be narrowed", async () => {
    const key = await client.tenant("narrowed");
    assert.equal(await client.status(key), 200);
    await client.change("PATCH", `/tenants/narrowed/keys/${parseApiKey(key)?.kid}`, { scopes: ["predict:other"] });
    await until("the key to be too narrow", async () => (await client.status(key)) === 403, REVOKED_WITHIN_MS);
  });

  test("those of a suspended tenant are told so, and work again when it is resumed", async () => {
    const key = await client.tenant("suspended");
    assert.equal(await client.status(key), 200);
    await client.change("PATCH", "/tenants/suspended", { suspended: true });
    const refused = await until("the tenant to be refused", async () => {
      const reply = await client.predict(key);
      const body = await reply.json();
      return reply.status === 403 && body;
    });
    assert.equal(z.looseObject({ code: z.string() }).parse(refused).code, "tenant_suspended");
    await client.change("PATCH", "/tenants/suspended", { suspended: false });
    await until("the tenant to be let in", async () => (await client.status(key)) === 200, REVOKED_WITHIN_MS);
  });

  test("when it was last used is known", async () => {
    const key = await client.tenant("used");
    const lastUsed = async () =>
      z
        .looseObject({ lastUsedAt: z.number().nullable() })
        .parse(await client.change("GET", `/tenants/used/keys/${parseApiKey(key)?.kid}`)).lastUsedAt;
    assert.equal(await lastUsed(), null);
    const before = Date.now();
    assert.equal(await client.status(key), 200);
    const usedAt = await until("the use to be noted", async () => (await lastUsed()) ?? undefined);
    assert.ok(usedAt >= before - 1_000 && usedAt <= Date.now());
  });

  test("a made-up secret under a kid that exists is refused without asking storage", async () => {
    const key = parseApiKey(await client.tenant("guessed"));
    assert.ok(key);
    const statuses = new Set<number>();
    for (let guess = 0; guess < 200; guess++) {
      const secret = Array.from({ length: 32 }, () => "0123456789abcdefABCDEF"[Math.floor(Math.random() * 22)]).join(
        "",
      );
      statuses.add(await client.status(formatApiKey({ ...key, secret })));
    }
    assert.deepEqual([...statuses], [401]);
  });

  test("the secrets are nowhere in replies, logs and metrics", async () => {
    const key = await client.tenant("canary", { rate: { perSecond: 1, burst: 1 } });
    const secret = parseApiKey(key)?.secret ?? "none";
    const replies: string[] = [];
    const attempt = async (path: string, init: RequestInit & { key?: string | null }) => {
      const reply = await client.call(path, init);
      replies.push(`${[...reply.headers].join("\n")}\n${await reply.text()}`);
    };
    await attempt("/v2/models/digits/infer", { method: "POST", body: SEVEN, key });
    await attempt("/v2/models/digits/infer", { method: "POST", body: SEVEN, key });
    await attempt("/v2/models/digits/infer", { method: "POST", body: "{", key });
    await attempt(`/v2/models/${key}/infer`, { method: "POST", body: SEVEN, key });
    await attempt(`/v2/models/digits/infer?key=${key}`, { method: "POST", body: SEVEN, key: `${key}x` });
    await attempt("/v2/models/digits", { key, headers: { "x-request-id": key, traceparent: key, "x-tenant": key } });
    await attempt("/admin/v1/tenants", { key });
    await attempt(`/admin/v1/tenants/${key}`, {});
    await attempt("/admin/v1/audit", {});
    await attempt("/admin/v1/tenants/canary/keys", {});
    await attempt("/healthz", { headers: { "x-request-id": "canary-last" } });
    await until("all of it to be in the log", () => stack.edgeLog().includes("canary-last"));
    const metrics = await (await fetch(`${stack.opsUrl}/metrics`)).text();
    // The caller's own request id comes back to the caller; nothing else may hold it.
    const told = [...replies.map((reply) => reply.replace(/^x-request-id,.*$/m, "")), metrics, stack.edgeLog()].join(
      "\n",
    );
    const lines = told.split("\n").filter((line) => line.includes(secret) && !line.includes(`"request_id":"${key}"`));
    assert.deepEqual(lines, []);
  });

  test("what a caller says of itself in other headers is not believed", async () => {
    const key = await client.tenant("honest");
    const reply = await client.predict(key, {
      headers: {
        "x-tenant": "operator",
        "x-warmgate-tenant": "operator",
        "x-forwarded-host": "admin",
        forwarded: "for=operator",
        "x-http-method-override": "DELETE",
        "x-original-url": "/admin/v1/tenants",
      },
    });
    assert.equal(reply.status, 200);
    await reply.arrayBuffer();
    await until("the log line", () => stack.edgeLog().includes('"tenant":"honest"'));
    assert.equal((await client.refused("GET", "/tenants", undefined, key)).code, "forbidden");
  });
});
