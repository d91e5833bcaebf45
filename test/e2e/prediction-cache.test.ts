import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { seededRandom } from "../bench/arrivals.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { PREDICT, SEVEN, TenantClient } from "../tenants/tenant-client.ts";

const runJson = z.looseObject({
  pids: z.looseObject({ supervisor: z.int(), serving: z.array(z.int()) }),
});
const answerSchema = z.looseObject({
  outputs: z.array(z.looseObject({ name: z.string(), data: z.array(z.number()) })),
});
const requestSchema = z.looseObject({ inputs: z.tuple([z.looseObject({ data: z.array(z.number()) })]) });
const seven = requestSchema.parse(JSON.parse(SEVEN));

/** One of a thousand requests that differ from one another. */
function variant(which: number): string {
  const [input] = seven.inputs;
  return JSON.stringify({ inputs: [{ ...input, data: [which / 64, ...input.data.slice(1)] }] });
}

describe("the prediction cache", () => {
  let stack: TestStack;
  let client: TenantClient;
  let key: string;
  before(async () => {
    stack = await startTestStack(["gpu-pool/models", "test/models/exporters"]);
    client = new TenantClient(stack);
    key = await client.tenant("cached", {});
    await untilKnown();
  });
  after(() => stack.stop());

  const infer = (body: string, headers: Record<string, string> = {}, as = key, path = PREDICT) =>
    client.call(path, { method: "POST", body, headers, key: as });
  const statusOf = async (reply: Response) => {
    await reply.text();
    return reply.headers.get("cache-status") ?? "";
  };
  /** The edge learns of the pool's models with its first look at it. */
  const untilKnown = () =>
    until("the edge to know the model", async () =>
      (await statusOf(await infer(SEVEN, { "cache-control": "no-store" }))).includes("fwd=request"),
    );

  test("the same inputs are answered without the pool, to the byte", async () => {
    const [first, second] = [await infer(variant(1)), await infer(variant(1))];
    assert.equal(first.headers.get("cache-status"), "warmgate; fwd=miss; stored");
    assert.match(second.headers.get("cache-status") ?? "", /^warmgate; hit; ttl=\d+; detail=(isolate|data-centre)$/);
    assert.equal(await second.text(), await first.text());
    assert.doesNotMatch(second.headers.get("server-timing") ?? "", /forward|pool/);
  });

  test("of a thousand identical requests at once, one is run", async () => {
    const statuses = await Promise.all(Array.from({ length: 1_000 }, async () => statusOf(await infer(variant(9)))));
    const made = statuses.filter((status) => !/hit|collapsed/.test(status));
    assert.deepEqual(made, ["warmgate; fwd=miss; stored"]);
  });

  test("nobody is answered from another tenant's entries", async () => {
    await statusOf(await infer(variant(2)));
    const other = await client.tenant("cached-too", {});
    assert.equal(await statusOf(await infer(variant(2), {}, other)), "warmgate; fwd=miss; stored");
  });

  test("a request's form does not matter: one entry serves JSON, binary and any order of outputs", async () => {
    const parsed = requestSchema.parse(JSON.parse(variant(3)));
    await statusOf(await infer(JSON.stringify(parsed)));
    const binary = await infer(JSON.stringify({ ...parsed, parameters: { binary_data_output: true } }));
    assert.equal(binary.headers.get("content-type"), "application/octet-stream");
    assert.match(await statusOf(binary), /hit/);
    const spaced = await infer(JSON.stringify({ id: "x", ...parsed }, null, 2));
    assert.match(spaced.headers.get("cache-status") ?? "", /hit/);
    assert.match(await spaced.text(), /"id":"x"/);
    const both = ["probabilities", "label"];
    const listed = (names: readonly string[]) =>
      infer(JSON.stringify({ ...parsed, outputs: names.map((name) => ({ name })) }));
    for (const names of [both, both.toReversed()]) {
      const reply = await listed(names);
      assert.match(reply.headers.get("cache-status") ?? "", /hit/);
      assert.deepEqual(
        answerSchema.parse(JSON.parse(await reply.text())).outputs.map(({ name }) => name),
        names,
      );
    }
    assert.match(await statusOf(await listed(["label"])), /miss/);
  });

  test("what the caller wishes is done: no-cache, no-store, only-if-cached, max-age", async () => {
    const ask = async (wish: string, which = 4) => statusOf(await infer(variant(which), { "cache-control": wish }));
    assert.equal(await ask("no-store"), "warmgate; fwd=request");
    const refused = await infer(variant(4), { "cache-control": "only-if-cached" });
    assert.equal(refused.status, 504);
    assert.equal(z.looseObject({ code: z.string() }).parse(await refused.json()).code, "not_cached");
    assert.equal(await ask("no-cache"), "warmgate; fwd=request; stored");
    assert.match(await ask("only-if-cached"), /hit/);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await ask("max-age=0"), "warmgate; fwd=miss; stored");
  });

  test("a caller who holds the answer is told so, and with another form is not", async () => {
    const first = await infer(variant(5));
    await first.text();
    const tag = first.headers.get("etag") ?? "";
    const again = await infer(variant(5), { "if-none-match": tag });
    assert.deepEqual([again.status, await again.text()], [304, ""]);
    assert.equal(again.headers.get("etag"), tag);
    const withId = JSON.stringify({ id: "y", ...JSON.parse(variant(5)) });
    assert.equal((await infer(withId, { "if-none-match": tag })).status, 200);
    assert.equal((await infer(variant(6), { "if-none-match": tag })).status, 200);
  });

  test("a model that is not declared deterministic is run each time", async () => {
    const x = { name: "x", shape: [1, 4], datatype: "FP32", data: [1, 2, 3, 4] };
    const body = JSON.stringify({ inputs: [x, { name: "factor", shape: [], datatype: "FP32", data: [2] }] });
    for (let request = 0; request < 2; request++) {
      const reply = await infer(body, {}, key, "/v2/models/scale/infer");
      assert.equal(reply.status, 200, await reply.text());
      assert.equal(reply.headers.get("cache-status"), "warmgate; fwd=bypass; detail=not-deterministic");
    }
  });

  test("what the pool would refuse is refused, whatever is in the cache", async () => {
    await statusOf(await infer(variant(7)));
    const unserved = JSON.stringify({ ...JSON.parse(variant(7)), parameters: { sequence_id: 1 } });
    assert.equal((await infer(unserved)).status, 501);
    const small = await client.tenant("cached-small", { maxBatch: 1 });
    const [input] = seven.inputs;
    const two = JSON.stringify({ inputs: [{ ...input, shape: [2, 64], data: [...input.data, ...input.data] }] });
    assert.equal((await infer(two)).status, 200);
    assert.equal((await infer(two, {}, small)).status, 400);
  });

  test("hits are counted as such, and cost the device nothing", async () => {
    const counting = await client.tenant("cached-counted", {});
    for (let request = 0; request < 3; request++) await statusOf(await infer(variant(8), {}, counting));
    const usage = z.looseObject({
      items: z.array(z.looseObject({ requests: z.number(), rows: z.number(), cacheHits: z.number() })),
    });
    await until("the usage to be told", async () => {
      const [item] = usage.parse(await client.change("GET", "/tenants/cached-counted/usage?by=model")).items;
      return item?.requests === 3 && item.cacheHits === 2 && item.rows === 3;
    });
  });

  test("with all of the pool gone, what was asked before is answered, the rest refused, and nothing wrong", async () => {
    const random = seededRandom(7);
    const seen = new Map<number, string>();
    for (let request = 0; request < 600; request++) {
      const which = zipf(random(), 1_000);
      const reply = await infer(variant(100 + which));
      const text = await reply.text();
      assert.equal(reply.status, 200, text);
      seen.set(which, text);
    }
    const { pids } = runJson.parse(JSON.parse(readFileSync(join(stack.stateFolder, "run.json"), "utf8")));
    // Its supervisor would have it back within a second.
    process.kill(pids.supervisor, "SIGSTOP");
    try {
      for (const pid of pids.serving) process.kill(pid, "SIGKILL");
      const counts = { answered: 0, expected: 0 };
      for (let request = 0; request < 300; request++) {
        const which = zipf(random(), 1_000);
        const reply = await infer(variant(100 + which));
        const text = await reply.text();
        if (seen.has(which)) counts.expected++;
        if (reply.status !== 200) {
          assert.equal(reply.status, 503, text);
          continue;
        }
        counts.answered++;
        assert.equal(text, seen.get(which), "an answer that nobody asked for before");
      }
      assert.equal(counts.answered, counts.expected);
      assert.ok(counts.answered > 100, `only ${counts.answered} of 300 could be known`);
    } finally {
      process.kill(pids.supervisor, "SIGCONT");
    }
    await until("the pool to be back", async () => (await infer(variant(9_999))).status === 200);
  });
});

/** Zipf's law with exponent 1: the rank whose share of the whole the fraction falls into. */
function zipf(fraction: number, ranks: number): number {
  const total = Array.from({ length: ranks }, (_, rank) => 1 / (rank + 1)).reduce((sum, share) => sum + share, 0);
  let left = fraction * total;
  for (let rank = 0; rank < ranks; rank++) {
    left -= 1 / (rank + 1);
    if (left <= 0) return rank;
  }
  return ranks - 1;
}
