import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { addSlowModel, QUICK_REQUEST, SLOW_REQUEST } from "../support/slow-model.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { TenantClient } from "./tenant-client.ts";

const standingsSchema = z.object({
  standings: z.array(
    z.looseObject({ kind: z.string(), account: z.string(), quota: z.number(), remaining: z.number() }),
  ),
});

describe("limits", () => {
  let stack: TestStack;
  let client: TenantClient;
  const slowModels = mkdtempSync(join(tmpdir(), "warmgate-slow-"));
  before(async () => {
    addSlowModel(slowModels);
    stack = await startTestStack(["gpu-pool/models", slowModels]);
    client = new TenantClient(stack);
  });
  after(async () => {
    await stack.stop();
    rmSync(slowModels, { recursive: true });
  });

  const remaining = async (tenant: string, kind: string) => {
    const { standings } = standingsSchema.parse(await client.change("GET", `/tenants/${tenant}/limits`));
    return standings.find((standing) => standing.kind === kind)?.remaining;
  };
  /** Statuses of predictions that are sent together. */
  const flood = (key: string, count: number) => Promise.all(Array.from({ length: count }, () => client.status(key)));
  const count = (statuses: readonly number[], status: number) => statuses.filter((each) => each === status).length;

  test("a burst is let through and no more, and a refusal tells when to come again", async () => {
    const key = await client.tenant("bursting", { rate: { perSecond: 1, burst: 10 } });
    const startedAt = performance.now();
    const statuses = await flood(key, 40);
    const allowed = 10 + Math.ceil((performance.now() - startedAt) / 1000);
    assert.ok(count(statuses, 200) >= 9 && count(statuses, 200) <= allowed, statuses.join(" "));
    assert.equal(count(statuses, 200) + count(statuses, 429), 40);
    const reply = await client.predict(key);
    assert.equal(reply.status, 429);
    assert.equal(z.looseObject({ code: z.string() }).parse(await reply.json()).code, "rate_limited");
    assert.match(reply.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
    assert.equal(reply.headers.get("ratelimit-policy"), '"rate";q=10;w=10');
    assert.match(reply.headers.get("ratelimit") ?? "", /^"rate";r=0;t=\d+$/);
    const waitMs = 1000 * Number(reply.headers.get("retry-after"));
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    assert.equal(await client.status(key), 200);
  });

  test("a dear model takes more of the rate", async () => {
    const key = await client.tenant("dear", { rate: { perSecond: 0.1, burst: 12 } });
    const changed = await client.call("/admin/v1/costs/slow", { method: "PUT", body: JSON.stringify({ cost: 5 }) });
    assert.equal(changed.status, 200, await changed.text());
    const version = Number(changed.headers.get("x-warmgate-config"));
    // The configuration is copied for seconds; replies tell which one they were made under.
    await until("the cost to be known", async () => {
      const reply = await client.predict(stack.demoKey);
      await reply.arrayBuffer();
      return Number(reply.headers.get("x-warmgate-config")) >= version;
    });
    const body = JSON.stringify(QUICK_REQUEST);
    const call = () => client.call("/v2/models/slow/infer", { method: "POST", body, key });
    const replies = await Promise.all(Array.from({ length: 8 }, call));
    const statuses = replies.map(({ status }) => status);
    await client.change("DELETE", "/costs/slow");
    assert.equal(count(statuses, 200), 2, statuses.join(" "));
  });

  test("what is refused uses up no quota, what fails neither", async () => {
    const key = await client.tenant("counting", { rate: { perSecond: 5, burst: 20 }, quotaPerMonth: 1_000 });
    const statuses = await flood(key, 40);
    for (let bad = 0; bad < 3; bad++) await client.call("/v2/models/digits/infer", { method: "POST", body: "{", key });
    const used = count(statuses, 200);
    assert.ok(count(statuses, 429) > 0 && used > 0);
    await until("the quota to be settled", async () => (await remaining("counting", "month")) === 1_000 - used, 5_000);
  });

  test("a quota ends, with the time of the next one", async () => {
    const key = await client.tenant("ending", { quotaPerDay: 5 });
    const statuses: number[] = [];
    for (let sent = 0; sent < 8; sent++) statuses.push(await client.status(key));
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
    const reply = await client.predict(key);
    assert.equal(z.looseObject({ code: z.string() }).parse(await reply.json()).code, "quota_exceeded");
    const seconds = Number(reply.headers.get("retry-after"));
    assert.ok(seconds > 0 && seconds <= 86_400);
  });

  test("as many requests are in flight as may be, and the others are told so", async () => {
    const key = await client.tenant("crowding", { concurrency: 3 });
    const body = JSON.stringify(SLOW_REQUEST);
    const slow = () => client.call("/v2/models/slow/infer", { method: "POST", body, key });
    const replies = await Promise.all(Array.from({ length: 12 }, slow));
    const statuses = replies.map(({ status }) => status);
    const texts = await Promise.all(replies.map((reply) => reply.text()));
    assert.equal(count(statuses, 200), 3, statuses.join(" "));
    const refusals = texts.filter((_, index) => statuses[index] !== 200);
    assert.deepEqual(new Set(refusals.map((text) => JSON.parse(text).code)), new Set(["concurrency_limited"]));
    await until("the slots to be free", async () => (await remaining("crowding", "concurrency")) === 3, 5_000);
  });

  test("a key's own limits hold beside those of its tenant", async () => {
    const tenants = await client.tenant("shared", { rate: { perSecond: 10, burst: 100 } });
    const { key } = await client.key("shared", {
      scopes: ["predict:*"],
      limits: { rate: { perSecond: 0.1, burst: 4 } },
    });
    assert.equal(count(await flood(key, 10), 200), 4);
    const reply = await client.predict(key);
    assert.match(await reply.text(), /of this API key is reached/);
    assert.match(reply.headers.get("ratelimit-policy") ?? "", /"rate";q=100;w=10, "key-rate";q=4;w=40/);
    assert.equal(await client.status(tenants), 200);
  });

  test("a plan's cap on bodies and on rows is kept, in every form of request", async () => {
    const key = await client.tenant("capped", { maxBodyBytes: 2_048, maxBatch: 2 });
    assert.equal(await client.status(key), 200);
    const rows = (n: number) =>
      JSON.stringify({
        inputs: [{ name: "pixels", shape: [n, 64], datatype: "FP32", data: new Array(n * 64).fill(0) }],
      });
    const codeOf = async (reply: Response) => z.looseObject({ code: z.string() }).parse(await reply.json()).code;
    assert.equal(await codeOf(await client.predict(key, { body: rows(3) })), "batch_too_large");
    assert.equal(await codeOf(await client.predict(key, { body: rows(30) })), "body_too_large");
    const raw = new Uint8Array(3 * 64 * 4);
    const headers = { "inference-header-content-length": "0" };
    assert.equal(await codeOf(await client.predict(key, { body: raw, headers })), "batch_too_large");
  });

  test("a plan's cap on time is kept, whatever is wished for", async () => {
    const key = await client.tenant("hasty", { maxTimeoutMs: 1 });
    const reply = await client.predict(key, {
      headers: { "x-warmgate-timeout-ms": "20000", "cache-control": "no-store" },
    });
    assert.equal(reply.status, 504);
    await reply.arrayBuffer();
  });

  test("an unlimited tenant's replies speak of no limits", async () => {
    const reply = await client.predict(await client.tenant("free"));
    assert.equal(reply.status, 200);
    await reply.arrayBuffer();
    assert.equal(reply.headers.get("ratelimit-policy"), null);
  });
});
