import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startTestStack, type TestStack } from "../support/stack.ts";

describe("the edge's metrics", () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack(["gpu-pool/models"]);
  });
  after(() => stack.stop());

  const scrape = (key: string) =>
    fetch(`${stack.edgeUrl}/admin/v1/metrics`, { headers: { authorization: `Bearer ${key}` } });

  async function figures(): Promise<ReadonlyMap<string, number>> {
    const reply = await scrape(stack.adminKey);
    assert.match(reply.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const samples = (await reply.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
  }

  async function predict(data: readonly number[]): Promise<number> {
    const reply = await fetch(`${stack.edgeUrl}/v2/models/digits/infer`, {
      method: "POST",
      headers: { authorization: `Bearer ${stack.demoKey}`, "content-type": "application/json" },
      body: JSON.stringify({ inputs: [{ name: "pixels", shape: [1, data.length], datatype: "FP32", data }] }),
    });
    await reply.arrayBuffer();
    return reply.status;
  }

  test("tell an operator what was answered by what, and nobody else", async () => {
    const before = await figures();
    const pixels = new Array(64).fill(0.5);
    assert.deepEqual([await predict(pixels), await predict(pixels), await predict([1])], [200, 200, 400]);
    const now = await figures();
    // The stack has sent requests of its own while it started.
    const grown = (name: string) => (now.get(name) ?? 0) - (before.get(name) ?? 0);
    assert.equal(grown('warmgate_edge_requests_total{route="/v2/models/{model}/infer",status="200"}'), 2);
    assert.equal(grown('warmgate_edge_requests_total{route="/v2/models/{model}/infer",status="400"}'), 1);
    assert.equal(grown('warmgate_edge_prediction_seconds_count{answered="pool"}'), 1);
    assert.equal(grown('warmgate_edge_prediction_seconds_count{answered="hit"}'), 1);
    assert.equal(grown('warmgate_edge_attempts_total{attempt="1",outcome="answered"}'), 1);
    assert.equal(now.get('warmgate_edge_held_bytes{of="requests"}'), 0);
    assert.equal(now.get("warmgate_edge_live_nodes"), 1);
    assert.ok([403, 404].includes((await scrape(stack.demoKey)).status));
  });
});
