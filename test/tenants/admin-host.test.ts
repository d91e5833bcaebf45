import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startTestStack, type TestStack } from "../support/stack.ts";

describe("administration on a host of its own", () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack(["gpu-pool/models"], { adminHost: "localhost" });
  });
  after(() => stack.stop());

  const tenants = async (url: string) => {
    const reply = await fetch(`${url}/admin/v1/tenants`, { headers: { authorization: `Bearer ${stack.adminKey}` } });
    await reply.arrayBuffer();
    return reply.status;
  };

  test("that host answers /admin", async () => {
    assert.equal(await tenants(stack.edgeUrl.replace("127.0.0.1", "localhost")), 200);
  });

  test("any other host has no /admin, whoever asks, and serves predictions", async () => {
    assert.equal(await tenants(stack.edgeUrl), 404);
    const ready = await fetch(`${stack.edgeUrl}/v2/models/digits/ready`, {
      headers: { authorization: `Bearer ${stack.demoKey}` },
    });
    await ready.arrayBuffer();
    assert.equal(ready.status, 200);
  });
});
