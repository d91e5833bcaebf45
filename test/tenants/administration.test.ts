import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { z } from "zod";
import { parseApiKey } from "../../shared/protocol/api-key.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { TenantClient } from "./tenant-client.ts";

const usageSchema = z.looseObject({
  items: z.array(
    z.object({
      model: z.string().optional(),
      ...{ requests: z.number(), rows: z.number(), deviceMs: z.number(), cacheHits: z.number() },
    }),
  ),
});
const auditSchema = z.looseObject({
  items: z.array(
    z.looseObject({
      ...{ action: z.string(), actor: z.string(), subject: z.string(), requestId: z.string(), version: z.number() },
      ...{ before: z.unknown(), after: z.unknown() },
    }),
  ),
});

describe("administration", () => {
  let stack: TestStack;
  let client: TenantClient;
  before(async () => {
    stack = await startTestStack(["gpu-pool/models"]);
    client = new TenantClient(stack);
  });
  after(() => stack.stop());

  test("usage counts what was answered, to the request, the row and the model", async () => {
    const key = await client.tenant("metered");
    const rows = { inputs: [{ name: "pixels", shape: [3, 64], datatype: "FP32", data: new Array(192).fill(1) }] };
    for (let sent = 0; sent < 20; sent++) assert.equal(await client.status(key), 200);
    for (let sent = 0; sent < 5; sent++) await client.predict(key, { body: JSON.stringify(rows) });
    await client.predict(key, { body: "{" });
    const usage = async () => usageSchema.parse(await client.change("GET", "/tenants/metered/usage?by=model")).items;
    const [line] = await until("the usage to be told", async () => {
      const items = await usage();
      return (items[0]?.requests ?? 0) >= 25 && items;
    });
    assert.deepEqual([line?.model, line?.requests, line?.rows, line?.cacheHits], ["digits", 25, 35, 23]);
    assert.ok((line?.deviceMs ?? 0) > 0);
    const reply = await client.call("/admin/v1/tenants/metered/usage?by=model", { headers: { accept: "text/csv" } });
    assert.equal(reply.headers.get("content-type"), "text/csv; charset=utf-8");
    assert.match(await reply.text(), /^model,requests,rows,deviceMs,cacheHits\r\ndigits,25,35,[\d.]+,23\r\n$/);
  });

  test("every change is in the log: who, what, before and after, and never a secret", async () => {
    const key = await client.tenant("logged");
    await client.change("PATCH", "/tenants/logged", { limits: { concurrency: 5 } });
    const kid = parseApiKey(key)?.kid;
    await client.change("POST", `/tenants/logged/keys/${kid}/rotate`, {});
    const text = JSON.stringify(await client.change("GET", "/tenants/logged/audit"));
    const { items } = auditSchema.parse(JSON.parse(text));
    assert.deepEqual(
      items.map(({ action }) => action),
      ["key.rotate", "tenant.change", "key.create", "tenant.create"],
    );
    const operator = parseApiKey(stack.adminKey)?.kid;
    for (const entry of items) assert.equal(entry.actor, operator);
    const change = items.find(({ action }) => action === "tenant.change");
    assert.match(JSON.stringify(change?.before), /"concurrency":null/);
    assert.match(JSON.stringify(change?.after), /"concurrency":5/);
    assert.ok(!text.includes(parseApiKey(key)?.secret ?? "-") && !text.includes("digest"));
  });

  test("what could have no effect is refused, everything that is wrong at once, and nothing changes", async () => {
    await client.tenant("sane");
    const limits = { quotaPerDay: 100, quotaPerMonth: 50, maxBodyBytes: 90_000_000 };
    const refusal = await client.refused("PATCH", "/tenants/sane", { limits });
    assert.equal(refusal.status, 422);
    assert.match(refusal.error, /daily quota of 100 has no effect.*maxBodyBytes of 90000000 has no effect/);
    const before = await client.change("GET", "/tenants/sane");
    assert.match(JSON.stringify(before), /"quotaPerDay":null/);
    const scopes = { scopes: ["predict:*", "predict:digits"] };
    assert.equal((await client.refused("POST", "/tenants/sane/keys", scopes)).code, "invalid_configuration");
    assert.equal(
      (await client.refused("POST", "/tenants/sane/keys", { scopes: ["everything"] })).code,
      "invalid_request",
    );
    assert.equal((await client.refused("POST", "/tenants", { id: "typo", limit: {} })).code, "invalid_request");
    assert.equal((await client.refused("POST", "/tenants", { id: "sane" })).code, "conflict");
    assert.equal((await client.refused("PUT", "/costs/digits", { cost: 500 })).code, "invalid_configuration");
    assert.equal((await client.refused("PATCH", "/tenants/sane", { plan: "none" })).code, "invalid_configuration");
  });

  test("each change makes a new version, and replies tell which they were made under", async () => {
    const versionOf = async () => {
      const reply = await client.call("/admin/v1/tenants/versioned");
      await reply.arrayBuffer();
      return Number(reply.headers.get("x-warmgate-config"));
    };
    await client.tenant("versioned");
    const first = await versionOf();
    await client.change("PATCH", "/tenants/versioned", { limits: { concurrency: 7 } });
    assert.equal(await versionOf(), first + 1);
  });

  test("a plan is for all who are on it, and stays while they are", async () => {
    const none = {
      rate: null,
      concurrency: null,
      quotaPerDay: null,
      quotaPerMonth: null,
      maxBodyBytes: null,
      maxBatch: null,
      maxTimeoutMs: null,
      highestPriority: null,
    };
    await client.change("PUT", "/plans/tiny", { limits: { ...none, concurrency: 2 } });
    await client.change("POST", "/tenants", { id: "planned", plan: "tiny" });
    await client.change("PUT", "/plans/tiny", { limits: { ...none, concurrency: 3 } });
    assert.match(
      JSON.stringify(await client.change("GET", "/tenants/planned")),
      /"effectiveLimits":\{[^}]*"concurrency":3/,
    );
    assert.equal((await client.refused("DELETE", "/plans/tiny")).code, "conflict");
    await client.change("PATCH", "/tenants/planned", { plan: "default" });
    await client.change("DELETE", "/plans/tiny");
  });

  test("no route with an id shows one tenant's admin anything of another", async () => {
    const victims = await client.tenant("victim");
    const kid = parseApiKey(victims)?.kid ?? "";
    const intruder = await client.tenant("intruder", {}, ["predict:*", "admin"]);
    const document = z
      .looseObject({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
      .parse(await (await fetch(`${stack.edgeUrl}/openapi.json`)).json());
    const body = JSON.stringify({ scopes: ["predict:*"] });
    let walked = 0;
    for (const [path, methods] of Object.entries(document.paths)) {
      if (!path.includes("{tenant}")) continue;
      const url = path.replace("{tenant}", "victim").replace("{kid}", kid);
      for (const method of Object.keys(methods)) {
        const init = {
          method: method.toUpperCase(),
          key: intruder,
          ...(/post|put|patch/.test(method) ? { body } : {}),
        };
        const reply = await client.call(url, init);
        assert.equal(reply.status, 404, `${method} ${path}: ${await reply.text()}`);
        // A key of somebody else under one's own name is not there either.
        if (path.includes("{kid}")) {
          const crossed = await client.call(path.replace("{tenant}", "intruder").replace("{kid}", kid), init);
          assert.ok([404, 400].includes(crossed.status), `${method} ${path}: ${await crossed.text()}`);
        }
        walked++;
      }
    }
    assert.ok(walked >= 11, `${walked} routes`);
    assert.equal(await client.status(victims), 200);
    await client.change("GET", "/tenants/intruder/keys", undefined, intruder);
    await client.change("GET", "/tenants/intruder/usage", undefined, intruder);
  });

  test("a tenant's own admin cannot lift its limits or reach what only operators have", async () => {
    const key = await client.tenant("modest", {}, ["admin"]);
    assert.equal((await client.refused("PATCH", "/tenants/modest", { limits: { rate: null } }, key)).code, "forbidden");
    for (const path of ["/tenants", "/plans", "/costs", "/issuers", "/audit"]) {
      assert.ok([403, 404].includes((await client.refused("GET", path, undefined, key)).status), path);
    }
    assert.equal((await client.refused("GET", "/tenants", undefined, await client.tenant("plain"))).code, "forbidden");
  });

  test("tokens of an issuer are taken once its keys were fetched, and cause no fetch themselves", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: "one" };
    let fetches = 0;
    const issuer = createServer((_, response) => {
      fetches++;
      response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve));
    const { port } = issuer.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    await client.tenant("federated");
    await client.change("PUT", "/issuers/login", {
      ...{
        issuer: url,
        audience: "warmgate",
        jwksUrl: `${url}/keys`,
        algorithms: ["ES256"],
        tenant: { claim: "tenant" },
      },
    });
    const token = (kid: string, scope = "predict:digits") =>
      new SignJWT({ tenant: "federated", scope })
        .setProtectedHeader({ alg: "ES256", kid })
        .setIssuer(url)
        .setAudience("warmgate")
        .setSubject("somebody")
        .setExpirationTime("5m")
        .sign(privateKey);
    try {
      const good = await token("one");
      await until("the token to be taken", async () => (await client.status(good)) === 200);
      for (let sent = 0; sent < 20; sent++) assert.equal(await client.status(await token(`made-up-${sent}`)), 401);
      assert.equal(await client.status(await token("one", "predict:other")), 403);
      assert.equal((await client.refused("GET", "/tenants", undefined, await token("one", "admin"))).code, "forbidden");
      assert.equal(fetches, 1);
    } finally {
      issuer.close();
      await client.change("DELETE", "/issuers/login");
    }
  });
});
