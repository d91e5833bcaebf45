import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { SignatureAuthenticator } from "../../../gpu-pool/server/authenticate.ts";
import { ATTEMPT, INFERENCE_HEADER_LENGTH, POOL_LOAD } from "../../../shared/protocol/headers.ts";
import {
  type Announcement,
  announcementSchema,
  NODE_PATH,
  poolNodeSchema,
} from "../../../shared/protocol/pool-node.ts";
import { encodeInferenceRequest } from "../../../shared/protocol/request.ts";
import { decodeInferenceResponse } from "../../../shared/protocol/response.ts";
import { parseSigningKeys } from "../../../shared/protocol/signing.ts";
import { newSigningKey, type Signable, signedHeaders } from "../../support/signing-client.ts";
import { until } from "../../support/until.ts";
import { type FakeAnswer, notNumbers } from "./fake-answer.ts";
import { type FakeNode, startFakeNode } from "./fake-node.ts";
import { IDENTITY_INPUT } from "./identity-models.ts";

const KEYS = newSigningKey("k1");
const TARGET = "/v2/models/identity_fp32/infer";
const ELEMENTS = Float32Array.of(1.5, -2);

/** What the edge would send. */
function prediction(binaryOutput = true) {
  const bytes = new Uint8Array(ELEMENTS.buffer);
  const inputs = [{ name: IDENTITY_INPUT, datatype: "FP32" as const, shape: [1, 2], bytes }];
  const { body, headerLength } = encodeInferenceRequest({ parameters: { priority: 2 }, inputs, binaryOutput });
  return { body: Uint8Array.from(body), headerLength: String(headerLength) };
}

describe("a fake node", () => {
  let node: FakeNode;
  before(async () => {
    node = await startFakeNode({ name: "fake", signingKeys: KEYS });
  });
  beforeEach(() => {
    node.script = () => undefined;
    node.requests.length = 0;
    node.rejected.length = 0;
  });
  after(() => node.stop());

  const ask = (more: Partial<Signable> = {}, keys = KEYS, { body, headerLength } = prediction(), unsigned = {}) =>
    fetch(node.url + TARGET, {
      method: "POST",
      body,
      headers: { ...signedHeaders(keys, { method: "POST", target: TARGET, body, headerLength, ...more }), ...unsigned },
      signal: AbortSignal.timeout(2_000),
    });
  const answerWith = (answer: FakeAnswer) => {
    node.script = () => answer;
  };
  const decoded = async (reply: Response) =>
    decodeInferenceResponse(new Uint8Array(await reply.arrayBuffer()), reply.headers.get(INFERENCE_HEADER_LENGTH));

  test("answers rightly unless told otherwise, in the form that is asked for", async () => {
    const reply = await ask();
    assert.equal(reply.status, 200);
    const { modelName, outputs } = await decoded(reply);
    assert.deepEqual([modelName, outputs[0]?.name, outputs[0]?.shape], ["identity_fp32", "OUTPUT0", [1, 2]]);
    assert.deepEqual(Buffer.from(outputs[0]!.bytes), Buffer.from(ELEMENTS.buffer));
    assert.equal(reply.headers.get(POOL_LOAD), "wait=0.0;level=512.00;slots=1;own=0.0");
    const inJson = await (await ask({}, KEYS, prediction(false))).json();
    assert.deepEqual(inJson, {
      ...{ model_name: "identity_fp32", model_version: "1" },
      outputs: [{ name: "OUTPUT0", datatype: "FP32", shape: [1, 2], data: [1.5, -2] }],
    });
  });

  test("keeps of each request who asked, how long it may take, its nonce, which attempt it is and when it came", async () => {
    const before = Date.now();
    const nonces = ["a".repeat(22), "b".repeat(22)];
    const about = { tenant: "acme", timeoutMs: 1_234, requestId: "one" };
    await ask({ ...about, nonce: nonces[0]! });
    await ask({ ...about, nonce: nonces[1]! }, KEYS, prediction(), { [ATTEMPT]: "2" });
    assert.deepEqual(
      node.requests.map(({ number, attempt, signed }) => ({ number, attempt, of: signed.requestId })),
      [
        { number: 0, attempt: 1, of: "one" },
        { number: 1, attempt: 2, of: "one" },
      ],
    );
    assert.deepEqual(
      node.requests.map(({ signed }) => signed.nonce),
      nonces,
    );
    const [first] = node.requests;
    assert.ok(first && first.arrivedAt >= before && first.arrivedAt <= Date.now());
    assert.deepEqual([first.signed.tenant, first.signed.timeoutMs], ["acme", 1_234]);
    assert.deepEqual([first.target, first.asked.parameters], [TARGET, { priority: 2 }]);
    assert.ok(first.headers.authorization?.startsWith("Warmgate "));
  });

  test("refuses what is not signed, or signed with another key, or sent twice, and keeps why", async () => {
    const nonce = "c".repeat(22);
    assert.equal((await ask({ nonce })).status, 200);
    assert.equal((await ask({ nonce })).status, 401);
    assert.equal((await ask({}, newSigningKey("k1"))).status, 401);
    assert.equal((await fetch(node.url + TARGET, { method: "POST", body: "{}" })).status, 401);
    assert.deepEqual(node.rejected, ["stale_or_replayed", "bad_signature", "unsigned"]);
    assert.equal(node.requests.length, 1);
  });

  test("a request may be answered otherwise than the one before", async () => {
    node.script = ({ number, signed }) =>
      number === 1 && signed.tenant === "acme"
        ? { kind: "refusal", code: "overloaded", retryAfterSeconds: 3 }
        : undefined;
    const replies = [await ask(), await ask(), await ask()];
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 503, 200],
    );
    assert.equal(replies[1]?.headers.get("retry-after"), "3");
    assert.equal(replies[1]?.headers.get(POOL_LOAD), "wait=0.0;level=512.00;slots=1;own=0.0");
    const body = `"code":"overloaded","request_id":"${node.requests[1]?.signed.requestId}"}`;
    assert.ok((await replies[1]!.text()).endsWith(body));
  });

  test("says how busy it is as it is told to, with every answer and where it describes itself", async () => {
    node.load = { waitMs: 250, admissionLevel: 17, slots: 2 };
    assert.equal((await ask()).headers.get(POOL_LOAD), "wait=250.0;level=17.00;slots=2;own=250.0");
    const headers = signedHeaders(KEYS, { method: "GET", target: NODE_PATH, tenant: "" });
    const described = poolNodeSchema.parse(await (await fetch(node.url + NODE_PATH, { headers })).json());
    assert.deepEqual(described.load, node.load);
    assert.deepEqual(
      described.models.map(({ name }) => name),
      ["identity_fp32", "identity_int64", "identity_string"],
    );
    answerWith({ kind: "right", headers: { [POOL_LOAD]: "wait=-1;level=x" } });
    assert.equal((await ask()).headers.get(POOL_LOAD), "wait=-1;level=x");
  });

  test("an answer may come late, never, or with NaN in it", async () => {
    answerWith({ kind: "right", delayMs: 60 });
    const askedAt = performance.now();
    assert.equal((await ask()).status, 200);
    assert.ok(performance.now() - askedAt >= 59);
    answerWith({ kind: "outputs", outputs: notNumbers });
    const { outputs } = await decoded(await ask());
    assert.deepEqual([...new Float32Array(Uint8Array.from(outputs[0]!.bytes).buffer)], [Number.NaN, Number.NaN]);
    answerWith({ kind: "hang" });
    const hanging = ask().then(
      () => "answered",
      () => "gone",
    );
    assert.equal(await Promise.race([hanging, delay(80, "silent")]), "silent");
  });

  test("an answer may be of any status and no JSON", async () => {
    answerWith({ kind: "body", status: 500, body: "{", headers: { "content-type": "text/html" } });
    const reply = await ask();
    assert.deepEqual([reply.status, reply.headers.get("content-type"), await reply.text()], [500, "text/html", "{"]);
  });

  test("an answer may be cut off in its body, before it, or have a length that is not its own", async () => {
    for (const afterBytes of [0, 10]) {
      answerWith({ kind: "cut", afterBytes });
      const reply = await ask();
      assert.equal(reply.status, 200);
      await assert.rejects(reply.arrayBuffer(), `cut after ${afterBytes}`);
    }
    answerWith({ kind: "right" });
    const length = Number((await ask()).headers.get("content-length"));
    answerWith({ kind: "misstated", byBytes: 5 });
    const longer = await ask();
    assert.equal(Number(longer.headers.get("content-length")), length + 5);
    assert.equal(await Promise.race([longer.arrayBuffer(), delay(80, "waits for the rest")]), "waits for the rest");
    answerWith({ kind: "misstated", byBytes: -5 });
    assert.equal((await (await ask()).arrayBuffer()).byteLength, length - 5);
  });
});

describe("a fake node announces itself", () => {
  const words: Announcement[] = [];
  const wrong: unknown[] = [];
  const signatures = new SignatureAuthenticator(parseSigningKeys(KEYS), Date.now, (reason) => void wrong.push(reason));
  const edge = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const { method = "", url = "", headers } = request;
    signatures.authenticate({ method, target: url, headers }, body);
    words.push(announcementSchema.parse(JSON.parse(body.toString())));
    response.end(JSON.stringify({ modelsWanted: false, everyMs: 50 }));
  });
  let announceTo = "";
  before(async () => {
    edge.listen(0, "127.0.0.1");
    await once(edge, "listening");
    const address = edge.address();
    assert.ok(typeof address === "object" && address);
    announceTo = `http://127.0.0.1:${address.port}`;
  });
  after(() => {
    edge.close();
    edge.closeAllConnections();
  });
  const said = (name: string, holds: (word: Announcement) => boolean) =>
    until(`a word of ${name}`, () => words.some((word) => word.status.node === name && holds(word)), 3_000);

  test("signed, with its models and where it is to be reached, and says goodbye", async () => {
    const announcedUrl = "http://127.0.0.1:9";
    const node = await startFakeNode({ name: "polite", signingKeys: KEYS, announceTo, announcedUrl });
    await said("polite", ({ url, status, models }) => url === announcedUrl && status.ready && models?.length === 3);
    node.load = { ...node.load, waitMs: 99 };
    await said("polite", ({ status }) => status.load.waitMs === 99);
    assert.ok(words.every(({ leaving }) => !leaving));
    await node.stop();
    await said("polite", ({ leaving, status }) => leaving && !status.ready);
    assert.deepEqual(wrong, []);
  });

  test("killed, it says nothing any more and its connections are gone", async () => {
    const node = await startFakeNode({ name: "dying", signingKeys: KEYS, announceTo });
    await said("dying", ({ url }) => url === node.url);
    const { url } = node;
    await node.kill();
    // A word that was under way may still be heard.
    await delay(50);
    const heard = words.length;
    await delay(150);
    assert.equal(words.length, heard);
    assert.ok(words.every(({ status, leaving }) => status.node !== "dying" || !leaving));
    await assert.rejects(fetch(url));
  });
});
