/** A model with a pipeline behind the edge, which decodes against the signature that the pool announces. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { PROJECT, startTestStack, type TestStack } from "../support/stack.ts";

const examples = join(PROJECT, "gpu-pool/models/digits-image/examples");
const answer = z.object({ outputs: z.array(z.object({ name: z.string(), data: z.array(z.unknown()) })) });

describe("a picture, sent to the edge", () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack(["gpu-pool/models"]);
  });
  after(() => stack.stop());

  const infer = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${stack.edgeUrl}/v2/models/digits-image/infer`, {
      method: "POST",
      body,
      headers: { authorization: `Bearer ${stack.demoKey}`, "content-type": "application/octet-stream", ...headers },
    });

  test("is read as the digit that it shows, as base64 in JSON", async () => {
    for (const [name, digit] of Object.entries({ zero: "0", three: "3", five: "5", seven: "7", eight: "8" })) {
      const body = readFileSync(join(examples, `${name}.json`), "utf8");
      const reply = await infer(body, { "content-type": "application/json" });
      assert.equal(reply.status, 200);
      const { outputs } = answer.parse(await reply.json());
      assert.equal(outputs.find((output) => output.name === "label")?.data[0], digit);
    }
  });

  test("is read when the body is nothing but the picture", async () => {
    const reply = await infer(new Uint8Array(readFileSync(join(examples, "seven.png"))), {
      "inference-header-content-length": "0",
    });
    assert.equal(reply.status, 200);
    assert.ok(Buffer.from(await reply.arrayBuffer()).includes("\x01\0\0\x007"));
  });

  test("is refused with a 400 that names its row when it is none", async () => {
    const inputs = [{ name: "image", datatype: "BYTES", shape: [1], data: ["bm8gcGljdHVyZQ=="] }];
    const reply = await infer(JSON.stringify({ inputs }), { "content-type": "application/json" });
    assert.equal(reply.status, 400);
    const { code, error } = z.object({ code: z.string(), error: z.string() }).parse(await reply.json());
    assert.equal(code, "unreadable_input");
    assert.match(error, /^row 0 of input 'image'/);
  });
});
