import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { SignatureAuthenticator } from "../../../gpu-pool/server/authenticate.ts";
import { parseSigningKeys } from "../../../shared/protocol/signing.ts";
import { Refused, Unreachable } from "../admin/failure.ts";
import { answerJson, type Script, scriptedApi } from "../admin/scripted-api.ts";
import { PoolClient } from "./pool-client.ts";
import { SCRIPTED_KEYS } from "./scripted-pool.ts";

const [KEY] = parseSigningKeys(SCRIPTED_KEYS);
const live = z.object({ live: z.boolean() });

describe("a pool's client", () => {
  const clientOf = async (context: Parameters<typeof scriptedApi>[0], script: Script) => {
    const { origin, asked } = await scriptedApi(context, script);
    const client = new PoolClient({ origin, key: KEY, whenRefused: "look at the key", whenSilent: "start it" });
    return { client, asked };
  };

  test("signs what it asks as a pool checks it, method and path included, and anew each time", async (context) => {
    const authenticator = new SignatureAuthenticator([KEY], Date.now, () => undefined);
    const { client, asked } = await clientOf(context, ({ method = "", url: target = "", headers }, response) => {
      authenticator.authenticate({ method, target, headers }, new Uint8Array(0));
      answerJson(response, { live: true });
    });
    for (const method of ["GET", "POST", "POST"] as const) {
      assert.deepEqual(await client.ask(live, { method, path: ["v2", "a name", "live"] }), { live: true });
    }
    assert.equal(asked[0]?.url, "/v2/a%20name/live");
  });

  test("a refusal has the pool's words, and says what can be done about a signature", async (context) => {
    const { client } = await clientOf(context, (_, response) =>
      answerJson(response, { error: "not signed", code: "invalid_signature", request_id: "r1" }, 401),
    );
    await assert.rejects(client.ask(live, { path: ["v2"] }), (error: unknown) => {
      assert.ok(error instanceof Refused);
      const { message, code, requestId, advice } = error;
      assert.deepEqual(
        [message, code, requestId, advice],
        ["not signed", "invalid_signature", "r1", "look at the key"],
      );
      return true;
    });
  });

  test("what no pool would answer is not taken for an answer", async (context) => {
    const scripts: readonly Script[] = [
      (_, response) => answerJson(response, { alive: true }),
      (_, response) => response.writeHead(302, { location: "/elsewhere" }).end(),
      (_, response) => response.writeHead(502).end("<html>"),
    ];
    for (const script of scripts) {
      const { client, asked } = await clientOf(context, script);
      await assert.rejects(client.ask(live, { path: ["v2"] }), Unreachable);
      assert.equal(asked.length, 1);
    }
  });

  test("an answer that does not come is given up in time", async (context) => {
    const { client } = await clientOf(context, () => undefined);
    await assert.rejects(client.ask(live, { path: ["v2"], limitMs: 50 }), /no answer within 0.05 s. start it/);
  });
});
