/** Many callers at once: each gets its own answer, whatever runs beside it, and every request is accounted for. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fp32Request, inferJson, post } from "../support/inference-call.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account, scrape } from "../support/pool-metrics.ts";
import { addSlowModel, QUICK_REQUEST, SLOW_REQUEST } from "../support/slow-model.ts";
import { until } from "../support/until.ts";

/** Pictures that differ in every value. */
const picture = (seed: number) => Array.from({ length: 64 }, (_, index) => ((seed * 31 + index * 7) % 161) / 10);

describe("concurrency", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-concurrency-"));
  let pool: PoolProcess;
  before(async () => {
    addSlowModel(folder);
    const { basic, exporters } = TEST_MODELS;
    linkModels(folder, `${basic}/identity_fp32`, `${basic}/identity_string`);
    linkModels(folder, `${exporters}/centre_axis0`, `${exporters}/embedding_mean`, `${exporters}/total`);
    pool = await startPool({ models: [TEST_MODELS.digits, folder] });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const settled = () =>
    until("nothing in flight", async () => {
      const now = await account(pool);
      return now.inFlight === 0 && now;
    });

  test("64 callers with different rows at once get what each would get alone", async () => {
    const ask = async (seed: number) => {
      const { id, outputs } = await inferJson(pool.url, "digits", {
        id: String(seed),
        ...Object(fp32Request("pixels", [1, 64], picture(seed))),
      });
      assert.equal(id, String(seed));
      return outputs;
    };
    const seeds = Array.from({ length: 64 }, (_, index) => index);
    const alone = [];
    for (const seed of seeds) alone.push(await ask(seed));
    const before = await scrape(pool);
    const together = await Promise.all(seeds.map(ask));
    for (const seed of seeds) {
      const [label, probabilities] = together[seed]!;
      assert.deepEqual(label, alone[seed]![0]);
      const wanted = alone[seed]![1]!.data.flat().map(Number);
      const given = probabilities!.data.flat().map(Number);
      for (const [digit, value] of given.entries()) assert.ok(Math.abs(value - wanted[digit]!) < 1e-5);
    }
    assert.ok(new Set(alone.map((outputs) => JSON.stringify(outputs))).size > 60, "the rows must differ to prove it");
    const runs = (figures: ReadonlyMap<string, number>) =>
      figures.get('warmgate_pool_batch_rows_count{model="digits",version="2"}') ?? 0;
    assert.ok(runs(await scrape(pool)) - runs(before) < 64, "nothing was batched");
  });

  test("callers with different shapes and numbers of rows are never mixed up", async () => {
    const ask = async (index: number) => {
      const shape = [1 + (index % 3), 1 + (index % 5)];
      const data = Array.from({ length: shape[0]! * shape[1]! }, (_, at) => index * 100 + at);
      const { outputs } = await inferJson(pool.url, "identity_fp32", fp32Request("INPUT0", shape, data));
      assert.deepEqual(outputs[0]?.shape, shape);
      assert.deepEqual(outputs[0]?.data.flat(), data);
    };
    await Promise.all(Array.from({ length: 100 }, (_, index) => ask(index)));
  });

  test("callers with text of different lengths get their own text back", async () => {
    const ask = async (index: number) => {
      const data = ["", "ä".repeat(index), `𝄞${index}`];
      const request = { inputs: [{ name: "INPUT0", shape: [1, 3], datatype: "BYTES", data }] };
      const { outputs } = await inferJson(pool.url, "identity_string", request);
      assert.deepEqual(outputs[0]?.data.flat(), data);
    };
    await Promise.all(Array.from({ length: 60 }, (_, index) => ask(index)));
  });

  test("rows of a model that looks over its whole batch are never put beside another caller's", async () => {
    const ask = async (index: number) => {
      const data = [index, index, index, index];
      const { outputs } = await inferJson(pool.url, "centre_axis0", fp32Request("x", [1, 4], data));
      assert.deepEqual(outputs[0]?.data.flat(), [0, 0, 0, 0]);
    };
    await Promise.all(Array.from({ length: 40 }, (_, index) => ask(index)));
  });

  test("a caller whose data the model cannot take fails alone among those that it shares a batch with", async () => {
    const ask = async (index: number) => {
      const id = index === 20 ? 99 : index % 30;
      const body = { inputs: [{ name: "token_ids", shape: [1, 2], datatype: "INT64", data: [id, 1] }] };
      return post(`${pool.url}/v2/models/embedding_mean/infer`, body);
    };
    const replies = await Promise.all(Array.from({ length: 48 }, (_, index) => ask(index)));
    for (const [index, { status, body }] of replies.entries()) {
      assert.equal(status, index === 20 ? 500 : 200, body.toString());
    }
    assert.equal(JSON.parse(replies[20]!.body.toString()).code, "model_failed");
  });

  test("a caller that leaves takes its rows out of the queue and counts as cancelled", async () => {
    const before = await settled();
    const url = `${pool.url}/v2/models/slow/infer`;
    const running = [post(url, SLOW_REQUEST), post(url, SLOW_REQUEST)];
    await until("the slow ones", async () => (await account(pool)).inFlight === 2);
    const leaving = new AbortController();
    const waiting = [1, 2, 3].map(() =>
      fetch(url, { method: "POST", body: JSON.stringify(QUICK_REQUEST), signal: leaving.signal }),
    );
    const left = Promise.allSettled(waiting);
    const queued = async () => (await scrape(pool)).get('warmgate_pool_queued_rows{model="slow",version="1"}') ?? 0;
    await until("three rows to wait", async () => (await queued()) % 4096 === 3);
    leaving.abort();
    await until("the rows to leave", async () => (await queued()) % 4096 === 0);
    assert.ok((await left).every(({ status }) => status === "rejected"));
    for (const reply of await Promise.all(running)) assert.equal(reply.status, 200);
    const now = await settled();
    assert.equal(now.cancelled - before.cancelled, 3);
    assert.equal(now.ok - before.ok, 2);
  });

  test("a request that could not be answered in time is told so at once, and when to come back", async () => {
    const url = `${pool.url}/v2/models/slow/infer`;
    const running = [post(url, SLOW_REQUEST), post(url, SLOW_REQUEST), post(url, SLOW_REQUEST)];
    await until("the slow ones", async () => (await account(pool)).inFlight === 3);
    const late = await post(url, QUICK_REQUEST, { "x-warmgate-timeout-ms": "20" });
    assert.equal(late.status, 504);
    assert.equal(JSON.parse(late.body.toString()).code, "deadline_unreachable");
    assert.match(late.headers.get("retry-after") ?? "", /^[1-9][0-9]*$/);
    assert.match(late.headers.get("x-warmgate-load") ?? "", /^wait=\d+\.\d;level=\d+\.\d\d;slots=\d+;own=\d+\.\d$/);
    await Promise.all(running);
  });

  test("a full queue refuses at once and says when to come back", async () => {
    const url = `${pool.url}/v2/models/total/infer`;
    const body = fp32Request("x", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
    const replies = await Promise.all(Array.from({ length: 600 }, () => post(url, body)));
    for (const { status, headers, body: text } of replies) {
      if (status === 200) continue;
      assert.equal(status, 503);
      assert.equal(JSON.parse(text.toString()).code, "overloaded");
      assert.match(headers.get("retry-after") ?? "", /^[1-9][0-9]*$/);
    }
    assert.ok(replies.some(({ status }) => status === 200));
  });

  test("after all of this received = ok + rejected + failed + cancelled, and nothing is in flight", async () => {
    const { received, ok, rejected, failed, cancelled } = await settled();
    assert.equal(received, ok + rejected + failed + cancelled);
    assert.ok(received > 900 && failed === 1 && cancelled >= 3);
    assert.equal(pool.starts.length, 1);
    assert.doesNotMatch(pool.output, /unhandled|uncaught/i);
  });
});
