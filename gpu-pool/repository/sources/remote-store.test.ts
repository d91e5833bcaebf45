import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { readCredentials } from "./credentials.ts";
import { parseModelSource, type RemoteSource } from "./model-source.ts";
import { type BucketKeys, expectedSignature, serveBucket } from "./scripted-bucket.ts";
import { etagOf, type Models, manifestOf, publish, ScriptedServer, status } from "./scripted-server.ts";
import { type SyncOptions, sync } from "./sync.ts";

const KEYS: BucketKeys = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  region: "us-east-1",
};
const A1 = Buffer.alloc(100_000, "a1 ");
const A2 = Buffer.alloc(150_000, "a2 ");

test("the bucket of these tests verifies signatures as AWS does: its documentation's examples", () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const common = {
    host: "examplebucket.s3.amazonaws.com",
    "x-amz-content-sha256": empty,
    "x-amz-date": "20130524T000000Z",
  };
  const names = "host;x-amz-content-sha256;x-amz-date";
  const examples: [string, Record<string, string>, string, string][] = [
    [
      "/test.txt",
      { range: "bytes=0-9" },
      "host;range;x-amz-content-sha256;x-amz-date",
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ],
    ["/?lifecycle", {}, names, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
    ["/?max-keys=2&prefix=J", {}, names, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
  ];
  for (const [target, more, signed, signature] of examples) {
    const headers = {
      ...common,
      ...more,
      authorization: `AWS4-HMAC-SHA256 Credential=x, SignedHeaders=${signed}, Signature=y`,
    };
    assert.equal(expectedSignature({ method: "GET", target, headers }, KEYS), signature, target);
  }
});

describe("a sync from a bucket", () => {
  let server: ScriptedServer;
  let folder = "";
  before(async () => {
    server = await ScriptedServer.start();
  });
  after(() => server.stop());
  beforeEach(() => {
    server.reset();
    folder = mkdtempSync(join(tmpdir(), "warmgate-bucket-"));
    rmSync(folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const at = (place: string): RemoteSource => {
    const parsed = parseModelSource(`s3://${place}?endpoint=${server.origin}&region=us-east-1`);
    assert.ok(parsed.kind === "s3");
    return parsed;
  };
  const run = (source: RemoteSource, more: Partial<SyncOptions> & { keys?: BucketKeys } = {}) => {
    const { accessKeyId, secretAccessKey, sessionToken } = more.keys ?? KEYS;
    const environment = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    };
    return sync(source, folder, {
      credentials: readCredentials(source, environment),
      maxBytes: 10_000_000,
      signal: new AbortController().signal,
      log: { info: () => undefined, warn: () => undefined },
      limits: { connections: 2, connectMs: 2_000, idleMs: 2_000 },
      retry: { attempts: 3, firstWaitMs: 1, longestWaitMs: 2, random: Math.random },
      ...more,
    });
  };
  const content = (...path: string[]) => readFileSync(join(folder, ...path));

  test("with a manifest is as from a server, each request signed", async () => {
    serveBucket(server, "models", KEYS);
    const models: Models = { a: { 1: { "model.onnx": A1 } } };
    publish(server, "/models/prod/", models);
    server.files.set("/models/prod/warmgate-models.json", manifestOf(models));
    assert.deepEqual((await run(at("models/prod"))).changed, ["a"]);
    assert.ok(content("a", "1", "model.onnx").equals(A1));
    assert.deepEqual(server.requests("/models"), [], "nothing is listed where there is a manifest");
    assert.deepEqual((await run(at("models/prod"))).changed, []);
  });

  test("without one is from a listing in pages, and only what changed is fetched again", async () => {
    serveBucket(server, "models", KEYS, 2);
    publish(server, "/models/", {
      a: { "model.json": Buffer.from("{}"), 1: { "model.onnx": A1, data: A2 }, 2: { "model.onnx": A2 } },
    });
    server.files.set("/models/readme.txt", A1);
    const { changed, failures } = await run(at("models"));
    assert.deepEqual([changed, failures], [["a"], []]);
    assert.equal(server.requests("/models").length, 3);
    assert.ok(content("a", "1", "data").equals(A2) && content("a", "2", "model.onnx").equals(A2));
    assert.equal(content("a", "model.json").toString(), "{}");
    assert.ok(!existsSync(join(folder, "readme.txt")));
    server.seen.length = 0;
    server.files.set("/models/a/2/model.onnx", A1);
    assert.deepEqual((await run(at("models"))).changed, ["a"]);
    const fetched = server.seen
      .map(({ path }) => path)
      .filter((path) => path.endsWith(".onnx") || path.endsWith("data"));
    assert.deepEqual(fetched, ["/models/a/2/model.onnx"]);
  });

  test("an object that is replaced while it is fetched is not taken for the one that was listed", async () => {
    serveBucket(server, "models", KEYS);
    publish(server, "/models/", { a: { 1: { "model.onnx": A1 } } });
    server.fault("/models/a/1/model.onnx", (request, response) => {
      assert.equal(request.headers["if-match"], etagOf(A1));
      response.writeHead(412).end("<Error><Code>PreconditionFailed</Code></Error>");
    });
    const { failures } = await run(at("models"));
    assert.match(failures[0]?.error.message ?? "", /412 \(PreconditionFailed\)/);
  });

  test("a prefix with characters that URLs encode is signed as it is sent", async () => {
    serveBucket(server, "models", KEYS);
    const base = "/models/a%20b%2Bc/%28d%29%21/";
    publish(server, base, { a: { 1: { "model.onnx": A1 } } });
    assert.deepEqual((await run(at("models/a%20b+c/(d)!"))).changed, ["a"]);
  });

  test("a session's token is sent with it; wrong keys are refused with the store's own code and shown nowhere", async () => {
    const session = { ...KEYS, sessionToken: "session/token==" };
    serveBucket(server, "models", session);
    publish(server, "/models/", { a: { 1: { "model.onnx": A1 } } });
    assert.deepEqual((await run(at("models"), { keys: session })).changed, ["a"]);
    const wrong = { ...session, secretAccessKey: "wrong-secret" };
    await assert.rejects(run(at("models"), { keys: wrong }), (error: Error & { reason?: string }) => {
      assert.equal(error.reason, "refused");
      assert.match(error.message, /403 \(SignatureDoesNotMatch\)/);
      assert.ok(!String(error.stack).includes("wrong-secret"));
      return true;
    });
    assert.equal(server.seen.filter(({ headers }) => JSON.stringify(headers).includes(KEYS.secretAccessKey)).length, 0);
  });

  test("a signature's key is of the day it is made", async () => {
    serveBucket(server, "models", KEYS, 1);
    publish(server, "/models/", { a: { 1: { "model.onnx": A1 }, 2: { "model.onnx": A2 } } });
    const days = [Date.UTC(2026, 0, 1, 23, 59, 59), Date.UTC(2026, 0, 2)];
    assert.deepEqual((await run(at("models"), { now: () => new Date(days.shift() ?? Date.UTC(2026, 0, 3)) })).changed, [
      "a",
    ]);
  });

  test("a bucket that lists no model, or pages without end, removes nothing", async () => {
    serveBucket(server, "models", KEYS);
    publish(server, "/models/", { a: { 1: { "model.onnx": A1 } } });
    await run(at("models"));
    server.files.clear();
    await assert.rejects(run(at("models")), { reason: "bad_manifest" });
    server.otherwise = (request, response) => {
      if (!request.url?.includes("list-type")) return void status(404)(request, response);
      response.end(
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>",
      );
    };
    await assert.rejects(run(at("models")), { reason: "bad_manifest", message: /empty pages/ });
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("an open bucket is read without a signature", async () => {
    publish(server, "/models/", { a: { 1: { "model.onnx": A1 } } });
    server.files.set("/models/warmgate-models.json", manifestOf({ a: { 1: { "model.onnx": A1 } } }));
    assert.deepEqual((await run(at("models"), { credentials: { kind: "none" } })).changed, ["a"]);
    assert.ok(server.seen.every(({ headers }) => headers.authorization === undefined));
  });
});
