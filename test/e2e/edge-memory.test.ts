/** All requests of an isolate share its 128 MB: bodies that would be too much together are refused, and the others go on. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { RawConnection } from "../support/raw-connection.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";

const BODY_BYTES = 1024 * 1024;
const CONNECTIONS = 30;
/** What an isolate holds (`edge/gate/held-bytes.ts`), in such bodies. */
const MOST_HELD = 12;

describe("many large bodies at once", () => {
  let stack: TestStack;
  const head = (length: number) =>
    `POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${stack.demoKey}\r\n` +
    `content-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

  before(async () => {
    stack = await startTestStack(["gpu-pool/models"]);
  });
  after(() => stack.stop());

  async function openAll(): Promise<RawConnection[]> {
    const port = Number(new URL(stack.edgeUrl).port);
    return Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(port)));
  }

  async function smallRequest(): Promise<number> {
    const input = { name: "pixels", shape: [1, 64], datatype: "FP32", data: new Array(64).fill(0) };
    const reply = await fetch(`${stack.edgeUrl}/v2/models/digits/infer`, {
      method: "POST",
      headers: { authorization: `Bearer ${stack.demoKey}`, "content-type": "application/json" },
      body: JSON.stringify({ inputs: [input] }),
    });
    await reply.arrayBuffer();
    return reply.status;
  }

  test("as many as may be held are answered, the others are told to come back, and then all is as before", async () => {
    const connections = await openAll();
    const first = Buffer.alloc(BODY_BYTES - 1, "[");
    for (const connection of connections) {
      connection.write(head(BODY_BYTES));
      connection.write(first);
    }
    const refused: RawConnection[] = [];
    const replies = connections.map(async (connection) => {
      const reply = await connection.reply();
      if (reply.status === 503) refused.push(connection);
      return reply;
    });
    await Promise.race([Promise.all(replies), new Promise((resolve) => setTimeout(resolve, 1_500))]);
    assert.ok(refused.length >= CONNECTIONS - MOST_HELD, `${refused.length} were refused`);
    assert.ok(refused.length < CONNECTIONS, "some were held");
    for (const connection of connections) if (!refused.includes(connection)) connection.write("[");
    for (const { status, body, headers } of await Promise.all(replies)) {
      const { code } = z.looseObject({ code: z.string() }).parse(JSON.parse(body));
      if (status === 503) assert.deepEqual([code, headers.get("retry-after")], ["overloaded", "1"]);
      else assert.equal(status, 400, code);
    }
    for (const connection of connections) connection.close();
    assert.equal(await smallRequest(), 200);
  });

  test("bytes that were promised and never came keep nobody out", async () => {
    const connections = await openAll();
    for (const connection of connections) connection.write(head(BODY_BYTES));
    assert.equal(await smallRequest(), 200);
    for (const connection of connections) connection.close();
    assert.equal(await smallRequest(), 200);
  });
});
