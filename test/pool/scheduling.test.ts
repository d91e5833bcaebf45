/** What the device's scheduler promises, seen from outside: a real pool, real models. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { fp32Request, post } from "../support/inference-call.ts";
import { deepNetwork, perceptron } from "../support/onnx-builder.ts";
import { maskedMean } from "../support/onnx-sequence-models.ts";
import { type PoolProcess, startPool } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";
import { until } from "../support/until.ts";

const statistics = z.object({
  model_stats: z.tuple([z.object({ scheduling: z.object({ deadWork: z.int(), batch_costs: z.array(z.unknown()) }) })]),
});
const ROW = new Array<number>(64).fill(0.5);

describe("scheduling", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-scheduling-"));
  let pool: PoolProcess;
  const put = (name: string, bytes: Uint8Array, settings: unknown) => {
    mkdirSync(join(folder, name, "1"), { recursive: true });
    writeFileSync(join(folder, name, "1", "model.onnx"), bytes);
    writeFileSync(join(folder, name, "model.json"), JSON.stringify(settings));
  };
  before(async () => {
    put("steady", deepNetwork(400), { deterministic: true, maxBatch: 8 });
    put("quick", perceptron([64, 32, 10]), { maxBatch: 8 });
    const inputs = { input_ids: 0, attention_mask: 0 };
    put("sequence", maskedMean(), { padding: { axis: 1, sizes: [4, 8], inputs, outputs: ["last_hidden_state"] } });
    pool = await startPool({ models: [folder], arguments: ["--slots", "1"] });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const urlOf = (model: string) => `${pool.url}/v2/models/${model}/infer`;
  const ask = (parameters: Readonly<Record<string, unknown>>, headers: Record<string, string> = {}) =>
    post(urlOf("quick"), { ...Object(fp32Request("input", [1, 64], ROW)), parameters }, headers);
  const events = async (model: string, event: string) =>
    (await scrape(pool)).get(`warmgate_pool_scheduling_total{model="${model}",version="1",event="${event}"}`) ?? 0;

  test("every class is served, and a priority that is none is refused", async () => {
    for (const priority of [0, 1, 2, 3, 4, 99]) assert.equal((await ask({ priority })).status, 200);
    for (const priority of [-1, 1.5, "1"]) assert.equal((await ask({ priority })).status, 400);
  });

  test("each answer says how busy the device is, and what it cost the device", async () => {
    const { headers } = await ask({});
    assert.match(headers.get("x-warmgate-load") ?? "", /^wait=\d+\.\d;level=512\.00;slots=1;own=\d+\.\d$/);
    assert.match(headers.get("server-timing") ?? "", /device;dur=\d+(\.\d+)?/);
  });

  test("a time that cannot be enough is refused at once and nothing is run", async () => {
    const before = await events("steady", "admitted");
    const reply = await post(urlOf("steady"), fp32Request("input", [1, 64], ROW), { "x-warmgate-timeout-ms": "1" });
    assert.equal(reply.status, 504);
    assert.equal(JSON.parse(reply.body.toString()).code, "deadline_unreachable");
    assert.equal(await events("steady", "admitted"), before);
  });

  test("identical requests in flight to a deterministic model share one run; another tenant's do not", async () => {
    const merged = await events("steady", "merged");
    const request = fp32Request("input", [1, 64], ROW);
    const tenants = Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? "acme" : "globex"));
    const replies = await Promise.all(
      tenants.map((tenant) => post(urlOf("steady"), request, { "x-warmgate-tenant": tenant })),
    );
    const outputs = new Set(replies.map(({ body }) => JSON.stringify(JSON.parse(body.toString()).outputs)));
    assert.ok(replies.every(({ status }) => status === 200));
    assert.equal(outputs.size, 1);
    const now = (await events("steady", "merged")) - merged;
    assert.ok(now >= 16 && now <= 22, `${now} of 24 were merged`);
  });

  test("requests of different lengths run padded, and get what they would get alone", async () => {
    const sequence = (length: number) => ({
      inputs: ["input_ids", "attention_mask"].map((name) => ({
        name,
        datatype: "INT64",
        shape: [1, length],
        data: Array.from({ length }, (_, index) => (name === "input_ids" ? (index + length) % 16 : 1)),
      })),
    });
    for (const length of [1, 3, 4, 5, 8]) {
      const reply = await post(urlOf("sequence"), sequence(length));
      assert.equal(reply.status, 200, reply.body.toString());
      const { outputs } = JSON.parse(reply.body.toString());
      const hidden = outputs.find(({ name }: { name: string }) => name === "last_hidden_state");
      assert.equal(hidden.shape[1], length);
    }
    assert.equal((await post(urlOf("sequence"), sequence(9))).status, 400);
  });

  test("under a flood the device works for nobody in vain, and what is admitted is answered in time", async () => {
    const allowMs = 400;
    const flood = Array.from({ length: 400 }, (_, index) => {
      const data = ROW.with(0, index);
      const sentAt = performance.now();
      return post(urlOf("steady"), fp32Request("input", [1, 64], data), {
        "x-warmgate-timeout-ms": String(allowMs),
      }).then(({ status, headers }) => ({ status, headers, ms: performance.now() - sentAt }));
    });
    const replies = await Promise.all(flood);
    const count = (status: number) => replies.filter((reply) => reply.status === status).length;
    assert.ok(count(200) > 0 && count(503) + count(504) > 0, "neither all nor none");
    assert.equal(count(200) + count(503) + count(504), 400);
    for (const { status, headers } of replies) {
      if (status === 503) assert.match(headers.get("retry-after") ?? "", /^[1-9]\d*$/);
    }
    await until("nothing to wait", async () => ((await scrape(pool)).get("warmgate_pool_queued_requests") ?? 1) === 0);
    const figures = await scrape(pool);
    for (const [name, value] of figures) if (name.startsWith("warmgate_pool_dead_work_total")) assert.equal(value, 0);
    assert.equal(figures.get("warmgate_pool_running_batches"), 0);
  });

  test("batch costs are told by size, in metrics and statistics", async () => {
    const cost = 'warmgate_pool_batch_cost_seconds{model="steady",version="1",bucket="64",rows="8",figure="bound"}';
    assert.ok(((await scrape(pool)).get(cost) ?? 0) > 0);
    const reply = await fetch(`${pool.url}/v2/models/steady/stats`);
    const [stats] = statistics.parse(await reply.json()).model_stats;
    assert.equal(stats.scheduling.deadWork, 0);
    assert.ok(stats.scheduling.batch_costs.length >= 4);
  });
});
