import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodes } from "./admin.ts";
import { sent, typed } from "./scripted-api.ts";

describe("nodes", () => {
  const NOW = Date.UTC(2027, 0, 1);
  const node = {
    ...{ node: "pool-1", url: "http://10.0.0.1:8080", device: "cuda:0", hardware: "nvidia-h200", provider: "cuda" },
    ...{ live: true, left: false, ejected: false, seenAt: NOW - 400, waitMs: 1.25 },
    models: [{ name: "digits", version: "2", digest: "0123456789abcdef".repeat(4) }],
  };
  const items = [
    node,
    { ...node, node: "pool-2", ejected: true, seenAt: NOW + 900 },
    { ...node, node: "pool-3", live: false, ejected: true, seenAt: NOW - 59_000 },
    { ...node, node: "pool-4", live: false, left: true, models: [], seenAt: NOW - 3_599_000 },
  ];

  test("ls tells who is live from who is dead, has left or is left out", async (context) => {
    const { printed, asked } = await typed(context, nodes, "ls", { items });
    assert.deepEqual(sent(asked), [{ method: "GET", path: "nodes", body: undefined }]);
    const [, ...lines] = printed.split("\n");
    assert.match(
      lines[0] ?? "",
      /^pool-1 {2}http:\/\/10\.0\.0\.1:8080 {2}nvidia-h200 {2}cuda +live +1\.25 +1 +0s ago$/,
    );
    assert.match(lines[1] ?? "", /^pool-2 .* ejected +1\.25 +1 +0s ago$/);
    assert.match(lines[2] ?? "", /^pool-3 .* dead +1\.25 +1 +59s ago$/);
    assert.match(lines[3] ?? "", /^pool-4 .* left +1\.25 +0 +59m ago$/);
  });

  test("show has the node's models, and how their breakers stand", async (context) => {
    const breakers = [{ model: "digits", state: "half_open", retryAfterMs: 1_400 }];
    const { printed } = await typed(context, nodes, "show pool-1", {
      items: items.map((one) => ({ ...one, breakers })),
    });
    assert.match(printed, /^device +cuda:0$/m);
    assert.match(printed, /^wait +1\.25 ms$/m);
    assert.match(printed, /^digits +2 +0123456789abcdef +half open, asked again in 2s$/m);
  });

  test("show of one that there is not is refused", async (context) => {
    const { code, noted } = await typed(context, nodes, "show pool-9", { items });
    assert.equal(code, 1);
    assert.match(noted, /there is no node pool-9 \(not_found\)/);
  });
});
