/** A signed pool takes what its edge has signed, once, and nothing else; the operations port shows figures, not models. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { call, fp32Request, type HttpReply } from "../support/inference-call.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";
import { newSigningKey, type Signable, signedHeaders } from "../support/signing-client.ts";

const NEW_KEY = newSigningKey("k2");
const OLD_KEY = newSigningKey("k1");
const BODY = Buffer.from(JSON.stringify(fp32Request("pixels", [1, 64], new Array(64).fill(0))));
const INFER: Signable = { method: "POST", target: "/v2/models/digits/infer", body: BODY };

const PATHS: readonly [string, string][] = [
  ["GET", "/v2"],
  ["GET", "/v2/health/live"],
  ["GET", "/v2/health/ready"],
  ["GET", "/v2/models/stats"],
  ["GET", "/v2/models/digits"],
  ["GET", "/v2/models/digits/ready"],
  ["GET", "/v2/models/digits/config"],
  ["GET", "/v2/models/digits/stats"],
  ["GET", "/v2/models/no-such-model"],
  ["POST", "/v2/models/digits/infer"],
  ["POST", "/v2/repository/index"],
  ["POST", "/v2/repository/models/digits/load"],
  ["POST", "/v2/repository/models/digits/unload"],
];

describe("a signed pool", () => {
  let pool: PoolProcess;
  before(async () => {
    pool = await startPool({ models: [TEST_MODELS.digits], signingKeys: `${NEW_KEY},${OLD_KEY}` });
  });
  after(() => pool.stop());
  const send = (request: Signable, headers: Record<string, string>): Promise<HttpReply> =>
    call(`${pool.url}${request.target}`, {
      method: request.method,
      headers,
      ...(request.body ? { body: new Uint8Array(request.body) } : {}),
    });
  const codeOf = (reply: HttpReply) => JSON.parse(reply.body.toString()).code;

  for (const [method, target] of PATHS) {
    test(`${method} ${target} without a signature: 401, whether or not there is such a model`, async () => {
      const reply = await send({ method, target }, {});
      assert.equal(reply.status, 401);
      assert.equal(codeOf(reply), "invalid_signature");
      assert.equal(reply.headers.get("content-type"), "application/json");
    });
  }

  test("what the edge has signed is answered, with either key while one is rotated", async () => {
    for (const key of [NEW_KEY, OLD_KEY]) {
      assert.equal((await send(INFER, signedHeaders(key, { ...INFER, timeoutMs: 5000 }))).status, 200);
    }
    const health: Signable = { method: "GET", target: "/v2/health/ready?from=edge" };
    assert.equal((await send(health, signedHeaders(NEW_KEY, health))).status, 200);
  });

  test("a captured request is of no use: neither again, nor for another path, body, tenant or reading", async () => {
    const nonce = "n".repeat(22);
    const once = { ...INFER, nonce };
    const headers = signedHeaders(NEW_KEY, once);
    const variants: [Signable, Record<string, string>][] = [
      [{ ...INFER, target: "/v2/models/digits/versions/1/infer" }, headers],
      [{ ...INFER, body: Buffer.from(`${BODY} `) }, headers],
      [INFER, { ...headers, "inference-header-content-length": "0" }],
      [INFER, signedHeaders(NEW_KEY, once, { tenant: "other" })],
      [INFER, signedHeaders(NEW_KEY, once, { timeoutMs: 60_000 })],
    ];
    for (const [request, changed] of variants) assert.equal((await send(request, changed)).status, 401);
    assert.equal((await send(INFER, headers)).status, 200);
    assert.equal((await send(INFER, headers)).status, 401);
  });

  test("of many copies of one request sent at once exactly one is taken", async () => {
    const headers = signedHeaders(NEW_KEY, INFER);
    const replies = await Promise.all(Array.from({ length: 20 }, () => send(INFER, headers)));
    assert.equal(replies.filter(({ status }) => status === 200).length, 1);
    assert.equal(replies.filter(({ status }) => status === 401).length, 19);
  });

  test("nothing is parsed before it is verified: broken bodies of strangers look like any other", async () => {
    for (const headers of [{ "content-encoding": "gzip" }, { "inference-header-content-length": "x" }, {}]) {
      assert.equal(codeOf(await send({ ...INFER, body: Buffer.from("{broken") }, headers)), "invalid_signature");
    }
  });

  test("refusals are counted by reason, on the operations port alone", async () => {
    const figures = await scrape(pool);
    for (const reason of ["unsigned", "bad_signature", "stale_or_replayed"]) {
      assert.ok((figures.get(`warmgate_pool_signatures_rejected_total{reason="${reason}"}`) ?? 0) > 0, reason);
    }
    for (const path of ["/metrics", "/livez", "/readyz", "/models"]) {
      assert.equal((await call(`${pool.url}${path}`)).status, 404, path);
      assert.equal((await call(`${pool.opsUrl}${path}`)).status, 200, path);
    }
  });

  test("the operations port serves no models and takes nothing but questions", async () => {
    assert.equal((await call(`${pool.opsUrl}/v2/models/digits`)).status, 404);
    const reply = await call(`${pool.opsUrl}/metrics`, { method: "POST", body: "x" });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.get("allow"), "GET, HEAD");
  });

  test("the keys are nowhere in what the pool writes or shows", async () => {
    const shown =
      pool.output + (await call(`${pool.opsUrl}/metrics`)).body + (await call(`${pool.opsUrl}/models`)).body;
    for (const key of [NEW_KEY, OLD_KEY]) assert.ok(!shown.includes(key.split(":")[1]!));
  });
});
