import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestStack } from "../support/stack.ts";
import { TenantClient } from "./tenant-client.ts";

test("an address that keeps failing to authenticate is told to wait; nobody else is, and no valid key", async () => {
  const stack = await startTestStack(["gpu-pool/models"], { clientAddressHeader: "x-real-ip" });
  try {
    const client = new TenantClient(stack);
    const from = async (address: string, key: string) => {
      const reply = await client.predict(key, { headers: { "x-real-ip": address } });
      await reply.arrayBuffer();
      return reply;
    };
    const key = await client.tenant("shielded");
    const statuses = new Set<number>();
    // The counter's windows are aligned to the clock, so a limit of 100 may be met twice.
    for (let sent = 0; sent < 250; sent++) statuses.add((await from("203.0.113.7", `${key}x`)).status);
    assert.deepEqual(statuses, new Set([401, 429]));
    const refused = await from("203.0.113.7", `${key}x`);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "10");
    assert.equal((await from("203.0.113.8", `${key}x`)).status, 401);
    assert.equal((await from("203.0.113.7", key)).status, 200);
  } finally {
    await stack.stop();
  }
});
