import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { scanRepository } from "../layout.ts";
import { type Credentials, readCredentials } from "./credentials.ts";
import { parseModelSource, type RemoteSource } from "./model-source.ts";
import { brokenAfter, etagOf, type Models, manifestOf, publish, ScriptedServer, status } from "./scripted-server.ts";
import { type SyncOptions, type SyncProgress, type SyncResult, sync } from "./sync.ts";

const BASE = "/prod/";
const MANIFEST = `${BASE}warmgate-models.json`;
const A1 = Buffer.alloc(300_000, "a1 ");
const A2 = Buffer.alloc(200_000, "a2 ");
const DATA = Buffer.alloc(500_000, "weights ");
const JSON_A = Buffer.from('{"description":"a"}');
const A: Models = { a: { "model.json": JSON_A, 1: { "model.onnx": A1 } } };

describe("a sync from a server", () => {
  let server: ScriptedServer;
  let folder = "";
  let source: RemoteSource;
  const logged: string[] = [];
  before(async () => {
    server = await ScriptedServer.start();
    const parsed = parseModelSource(`${server.origin}${BASE}`);
    assert.ok(parsed.kind === "http");
    source = parsed;
  });
  after(() => server.stop());
  beforeEach(() => {
    server.reset();
    logged.length = 0;
    folder = join(mkdtempSync(join(tmpdir(), "warmgate-sync-")), "cache");
  });
  afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

  const log = { info: (line: unknown) => keep(line), warn: (line: unknown) => keep(line) } as SyncOptions["log"];
  const keep = (line: unknown) => void logged.push(JSON.stringify(line));
  const options = (more: Partial<SyncOptions> = {}): SyncOptions => ({
    credentials: { kind: "none" },
    maxBytes: 10_000_000,
    signal: new AbortController().signal,
    log,
    limits: { connections: 2, connectMs: 2_000, idleMs: 2_000 },
    retry: { attempts: 3, firstWaitMs: 1, longestWaitMs: 2, random: Math.random },
    ...more,
  });
  const run = (more?: Partial<SyncOptions>): Promise<SyncResult> => sync(source, folder, options(more));
  const offer = (models: Models) => {
    publish(server, BASE, models);
    server.files.set(MANIFEST, manifestOf(models));
  };
  const serving = async () =>
    [...(await scanRepository([folder]))].map(
      ([name, { versions }]) => `${name}:${[...versions.keys()].sort().join(",")}`,
    );
  const content = (...path: string[]) => readFileSync(join(folder, ...path));
  const reasons = ({ failures }: SyncResult) =>
    failures.map(({ model, version, error }) => `${model}/${version}: ${error.reason}`);

  test("brings an ensemble, whose versions have no files", async () => {
    offer({ ...A, both: { "model.json": Buffer.from('{"ensemble":{}}'), 2: {} } });
    const { changed, failures } = await run();
    assert.deepEqual([changed, failures], [["a", "both"], []]);
    assert.deepEqual(await serving(), ["a:1", "both:2"]);
    assert.deepEqual((await run()).changed, []);
  });

  test("brings every file of every version, and what describes the model", async () => {
    offer({ ...A, b: { 3: { "model.onnx": A2, "model.onnx_data": DATA }, 4: { "model.onnx": Buffer.alloc(0) } } });
    const { changed, failures, held } = await run();
    assert.deepEqual([changed, failures, [...held.keys()].sort()], [["a", "b"], [], ["a", "b"]]);
    assert.deepEqual(await serving(), ["a:1", "b:3,4"]);
    assert.ok(content("b", "3", "model.onnx_data").equals(DATA));
    assert.deepEqual(readdirSync(join(folder, "b", "3")), ["model.onnx", "model.onnx_data"]);
    assert.ok(content("a", "model.json").equals(JSON_A));
    assert.ok(content("b", "4", "model.onnx").equals(Buffer.alloc(0)));
  });

  test("asks for nothing but the manifest when that has not changed", async () => {
    offer(A);
    const first = await run();
    server.seen.length = 0;
    assert.deepEqual(await run(), { changed: [], failures: [], held: first.held });
    assert.deepEqual(
      server.seen.map(({ path, headers }) => [path, headers["if-none-match"]]),
      [[MANIFEST, etagOf(server.files.get(MANIFEST)!)]],
    );
  });

  test("brings only what is other, and removes what has vanished", async () => {
    offer({ a: { 1: { "model.onnx": A1 }, 2: { "model.onnx": A2 } }, gone: { 1: { "model.onnx": A2 } } });
    await run();
    server.seen.length = 0;
    offer({ a: { 2: { "model.onnx": A2 }, 3: { "model.onnx": A1 } } });
    const { changed, held } = await run();
    assert.deepEqual([changed, [...held.keys()]], [["a", "gone"], ["a"]]);
    assert.deepEqual(await serving(), ["a:2,3"]);
    assert.deepEqual(
      server.seen.map(({ path }) => path),
      [MANIFEST, `${BASE}a/3/model.onnx`],
    );
    assert.ok(!existsSync(join(folder, "gone")));
  });

  test("a manifest that lists nothing empties the folder", async () => {
    offer(A);
    await run();
    offer({});
    assert.deepEqual((await run()).changed, ["a"]);
    assert.deepEqual(await serving(), []);
  });

  test("a version of other content takes the place of the old one; a new model.json, too", async () => {
    offer(A);
    const before = await run();
    offer({ a: { "model.json": Buffer.from("{}"), 1: { "model.onnx": A2 } } });
    const { changed, held } = await run();
    assert.ok(content("a", "1", "model.onnx").equals(A2));
    assert.deepEqual([changed, content("a", "model.json").toString()], [["a"], "{}"]);
    assert.notEqual(held.get("a"), before.held.get("a"));
    offer({ a: { 1: { "model.onnx": A2 } } });
    await run();
    assert.ok(!existsSync(join(folder, "a", "model.json")));
  });

  test("what was damaged on the disk is brought anew", async () => {
    offer(A);
    await run();
    truncateSync(join(folder, "a", "1", "model.onnx"), 5);
    assert.deepEqual((await run()).changed, ["a"]);
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("a download that breaks goes on where it ended", async () => {
    offer(A);
    server.fault(`${BASE}a/1/model.onnx`, brokenAfter(A1, 100_000));
    assert.deepEqual((await run()).failures, []);
    const [first, second, ...more] = server.requests(`${BASE}a/1/model.onnx`);
    assert.equal(first?.headers.range, undefined);
    assert.match(second?.headers.range ?? "", /^bytes=[1-9]\d*-$/);
    assert.equal(second?.headers["if-range"], etagOf(A1));
    assert.deepEqual(more, []);
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("a later sync goes on where an earlier one gave up, and nothing half is ever to be seen", async () => {
    offer({ a: { 1: { "model.onnx": A1, data: DATA } } });
    const breaks = [1, 2, 3].map(() => brokenAfter(A1, 50_000));
    server.fault(`${BASE}a/1/model.onnx`, ...breaks.slice(0, 1), status(500), status(500));
    assert.deepEqual(reasons(await run()), ["a/1: failing"]);
    assert.deepEqual([await serving(), readdirSync(folder)], [[], [".warmgate"]]);
    server.seen.length = 0;
    assert.deepEqual((await run()).failures, []);
    assert.deepEqual(server.requests(`${BASE}a/1/data`), [], "the file that was whole is not fetched again");
    assert.match(server.requests(`${BASE}a/1/model.onnx`)[0]?.headers.range ?? "", /^bytes=[1-9]/);
    assert.ok(content("a", "1", "model.onnx").equals(A1));
    assert.deepEqual(readdirSync(join(folder, ".warmgate", "partial", "a")), []);
  });

  test("a part of a file that has changed meanwhile is not added to", async () => {
    offer(A);
    const other = Buffer.alloc(A1.length, "other ");
    server.fault(`${BASE}a/1/model.onnx`, brokenAfter(other, 100_000, '"old"'));
    assert.deepEqual((await run()).failures, []);
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("a part that turns out to be another file's, under the same entity tag, is fetched anew", async () => {
    offer(A);
    server.fault(`${BASE}a/1/model.onnx`, brokenAfter(Buffer.alloc(A1.length, "x"), 100_000, etagOf(A1)));
    assert.deepEqual((await run()).failures, []);
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("an answer with another range than was asked for is not taken", async () => {
    offer(A);
    const wrongRange = status(206, "wrong", { "content-range": `bytes 7-11/${A1.length}` });
    server.fault(`${BASE}a/1/model.onnx`, brokenAfter(A1, 100_000), wrongRange);
    assert.deepEqual((await run()).failures, []);
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("a file whose server gives it no entity tag is fetched from its start", async () => {
    offer(A);
    server.etags = false;
    server.fault(`${BASE}a/1/model.onnx`, brokenAfter(A1, 100_000, ""));
    assert.deepEqual((await run()).failures, []);
    assert.deepEqual(
      server.requests(`${BASE}a/1/model.onnx`).map(({ headers }) => headers.range),
      [undefined, undefined],
    );
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("an end that comes too early without a declared length is a broken download", async () => {
    offer(A);
    server.fault(`${BASE}a/1/model.onnx`, (_, response) => {
      response.shouldKeepAlive = false;
      response.removeHeader("transfer-encoding");
      response.socket?.end(
        `HTTP/1.1 200 OK\r\nconnection: close\r\netag: ${etagOf(A1)}\r\n\r\n${A1.subarray(0, 9_000)}`,
      );
    });
    assert.deepEqual((await run()).failures, []);
    assert.equal(server.requests(`${BASE}a/1/model.onnx`)[1]?.headers.range, "bytes=9000-");
    assert.ok(content("a", "1", "model.onnx").equals(A1));
  });

  test("a wrong digest is refused, tried once, and holds up no other version", async () => {
    offer({ a: { 1: { "model.onnx": A1 }, 2: { "model.onnx": A2 } }, b: { 1: { "model.onnx": DATA } } });
    const evil = Buffer.from(A1);
    evil[7] = 0;
    server.files.set(`${BASE}a/1/model.onnx`, evil);
    const result = await run();
    assert.deepEqual([reasons(result), result.changed], [["a/1: digest_mismatch"], ["a", "b"]]);
    assert.deepEqual(await serving(), ["a:2", "b:1"]);
    assert.equal(server.requests(`${BASE}a/1/model.onnx`).length, 1);
    assert.match(
      result.failures[0]?.error.message ?? "",
      /^a\/1\/model\.onnx has the SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}$/,
    );
    server.files.set(`${BASE}a/1/model.onnx`, A1);
    assert.deepEqual([(await run()).failures, await serving()], [[], ["a:1,2", "b:1"]]);
  });

  test("a wrong size is refused before, or as soon as, it is seen", async () => {
    offer(A);
    server.files.set(`${BASE}a/1/model.onnx`, Buffer.concat([A1, A1]));
    const declared = await run();
    assert.match(declared.failures[0]?.error.message ?? "", /has 600000 bytes, not 300000/);
    let sent = 0;
    server.fault(`${BASE}a/1/model.onnx`, (request, response) => {
      request.socket.on("close", () => response.destroy());
      const more = () => {
        while (!response.destroyed && sent < 50_000_000) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once("drain", more);
        }
      };
      more();
    });
    const endless = await run();
    assert.deepEqual([reasons(declared), reasons(endless)], [["a/1: size_mismatch"], ["a/1: size_mismatch"]]);
    assert.match(endless.failures[0]?.error.message ?? "", /or more, not 300000/);
    assert.ok(sent < 50_000_000);
  });

  test("a failing version keeps what has vanished: nothing is removed before all is well", async () => {
    offer(A);
    await run();
    offer({ b: { 1: { "model.onnx": A2 } } });
    server.files.delete(`${BASE}b/1/model.onnx`);
    assert.deepEqual([reasons(await run()), await serving()], [["b/1: refused"], ["a:1"]]);
    server.files.set(`${BASE}b/1/model.onnx`, A2);
    await run();
    assert.deepEqual(await serving(), ["b:1"]);
  });

  test("what fails for a moment is tried again, what is refused is not", async () => {
    offer(A);
    server.fault(MANIFEST, status(500), status(503));
    server.fault(`${BASE}a/1/model.onnx`, status(502), status(500));
    assert.deepEqual((await run()).failures, []);
    server.seen.length = 0;
    server.fault(MANIFEST, status(404));
    await assert.rejects(run(), {
      reason: "refused",
      status: 404,
      message: /\/prod\/warmgate-models\.json answered 404/,
    });
    assert.equal(server.seen.length, 1);
    server.fault(MANIFEST, status(500), status(500), status(500));
    await assert.rejects(run(), { reason: "failing", status: 500 });
    assert.deepEqual(await serving(), ["a:1"]);
  });

  test("a source that is down is not asked for every file", async () => {
    offer(Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`m${at}`, { 1: { "model.onnx": A1 } }])));
    for (let at = 0; at < 9; at++) server.fault(`${BASE}m${at}/1/model.onnx`, ...[0, 1, 2].map(() => status(503)));
    const { failures } = await run();
    assert.equal(failures.length, 9);
    assert.ok(server.seen.length <= 1 + 2 * 3, `${server.seen.length} requests`);
    assert.ok(logged.length <= 2, "and it is logged once, or once for each of the files that were tried");
  });

  test("a redirect is refused, wherever it leads, and nothing is sent there", async () => {
    const elsewhere = await ScriptedServer.start();
    offer(A);
    const credentials: Credentials = readCredentials(source, { WARMGATE_MODELS_TOKEN: "secret-token" });
    for (const location of [`${elsewhere.origin}/x?signature=abc`, "http://169.254.169.254/latest/", "/elsewhere"]) {
      server.fault(MANIFEST, status(302, "", { location }));
      await assert.rejects(run({ credentials }), (error: Error & { reason?: string }) => {
        assert.equal(error.reason, "redirected");
        assert.ok(!/secret-token|signature/.test(error.message));
        return true;
      });
    }
    assert.deepEqual([elsewhere.connections, server.requests("/elsewhere")], [0, []]);
    elsewhere.stop();
  });

  test("silence is given up after the idle time", async () => {
    offer(A);
    server.fault(`${BASE}a/1/model.onnx`, (_, response) => {
      response.writeHead(200, { "content-length": A1.length, etag: etagOf(A1) });
      response.write(A1.subarray(0, 1_000));
    });
    const limits = { connections: 2, connectMs: 1_000, idleMs: 200 };
    const once = { attempts: 1, firstWaitMs: 1, longestWaitMs: 1, random: () => 0 };
    const result = await run({ limits, retry: once });
    assert.deepEqual(reasons(result), ["a/1: timeout"]);
    assert.match(result.failures[0]?.error.message ?? "", /nothing came from http:\/\/127\.0\.0\.1:\d+ for 200 ms/);
  });

  test("what is no manifest changes nothing", async () => {
    offer(A);
    await run();
    for (const [what, text] of [
      ["no JSON", "<html>"],
      ["another shape", '{"models":[]}'],
      ["a path out of the folder", '{"models":{"..":{"modelJson":null,"versions":{"1":{"files":{"../../x":{}}}}}}}'],
      ["no UTF-8", Buffer.from([0xff, 0xfe, 0x7b])],
      ["too much", Buffer.alloc(4 * 1024 ** 2 + 1, " ")],
    ] as const) {
      server.files.set(MANIFEST, Buffer.from(text));
      await assert.rejects(run(), { reason: "bad_manifest" }, what);
    }
    assert.deepEqual(await serving(), ["a:1"]);
  });

  test("a compressed answer, which was not asked for, is not unpacked", async () => {
    offer(A);
    server.fault(`${BASE}a/1/model.onnx`, status(200, "bomb", { "content-encoding": "gzip" }));
    assert.deepEqual(reasons(await run()), ["a/1: refused"]);
    assert.equal(server.requests(`${BASE}a/1/model.onnx`)[0]?.headers["accept-encoding"], "identity");
  });

  test("the folder is kept within its bound: what has vanished goes for room, what is wanted never", async () => {
    offer({ a: { 1: { "model.onnx": A1 } } });
    await run();
    offer({ a: { 2: { "model.onnx": A2 } } });
    assert.deepEqual([(await run({ maxBytes: 400_000 })).failures, await serving()], [[], ["a:2"]]);
    offer({ a: { 2: { "model.onnx": A2 }, 3: { "model.onnx": A1 } } });
    const full = await run({ maxBytes: 400_000 });
    assert.deepEqual([reasons(full), await serving()], [["a/3: cache_full"], ["a:2"]]);
    assert.match(full.failures[0]?.error.message ?? "", /a 3 needs 300000 bytes, and 200000 of the cache's 400000/);
  });

  test("what describes a model of which no version came is no model, and goes when the model does", async () => {
    offer(A);
    server.files.delete(`${BASE}a/1/model.onnx`);
    const { failures, held } = await run();
    assert.deepEqual([failures.length, held.size, await serving()], [1, 0, []]);
    offer({ b: { 1: { "model.onnx": A2 } } });
    await run();
    assert.deepEqual(readdirSync(folder).sort(), [".warmgate", "b"]);
  });

  test("no more than two files at once", async () => {
    const files = Object.fromEntries(Array.from({ length: 6 }, (_, at) => [at === 0 ? "model.onnx" : `data${at}`, A2]));
    offer({ a: { 1: files } });
    let [running, most] = [0, 0];
    for (const file of Object.keys(files)) {
      server.fault(`${BASE}a/1/${file}`, (_, response) => {
        most = Math.max(most, ++running);
        setTimeout(() => {
          running--;
          response.end(A2);
        }, 20);
      });
    }
    assert.deepEqual((await run()).failures, []);
    assert.equal(most, 2);
  });

  test("an abort ends it with its reason, keeps what has come, and the lock is given back", async () => {
    offer(A);
    const stop = new AbortController();
    server.fault(`${BASE}a/1/model.onnx`, (_, response) => {
      response.writeHead(200, { "content-length": A1.length, etag: etagOf(A1) });
      response.write(A1.subarray(0, 100_000));
      setTimeout(() => stop.abort(new Error("stopping")), 100);
    });
    await assert.rejects(run({ signal: stop.signal }), { message: "stopping" });
    assert.equal(statSync(join(folder, ".warmgate", "partial", "a", "1", "model.onnx.part")).size, 100_000);
    assert.deepEqual((await run()).failures, []);
    assert.equal(server.requests(`${BASE}a/1/model.onnx`)[1]?.headers.range, "bytes=100000-");
  });

  test("a token is sent to the source, and shown nowhere", async () => {
    offer(A);
    server.guard = (request, response) => {
      if (request.headers.authorization === "Bearer secret-token") return true;
      response.writeHead(401).end("<Code>NoToken</Code>");
      return false;
    };
    await assert.rejects(run(), { reason: "refused", status: 401, message: /401 \(NoToken\)/ });
    const credentials = readCredentials(source, { WARMGATE_MODELS_TOKEN: "secret-token" });
    assert.deepEqual((await run({ credentials })).failures, []);
    const wrong = readCredentials(source, { WARMGATE_MODELS_TOKEN: "wrong-token" });
    await assert.rejects(run({ credentials: wrong }), (error: Error) => !String(error.stack).includes("wrong-token"));
    assert.ok(!logged.join().includes("-token"));
  });

  test("a name that resolves to a private address is not connected to, however often it is asked", async () => {
    offer(A);
    const named = (allow: string) => {
      const parsed = parseModelSource(`https://models.example:${server.port}${BASE}${allow}`);
      assert.ok(parsed.kind === "http");
      // Over TLS it would fail for another reason.
      return { ...parsed, origin: parsed.origin.replace("https", "http") };
    };
    let answers = ["127.0.0.1"];
    const resolve = ((_: string, __: object, done: (error: null, found: object[]) => void) =>
      done(
        null,
        answers.map((address) => ({ address, family: 4 })),
      )) as unknown as NonNullable<SyncOptions["resolve"]>;
    const connections = server.connections;
    await assert.rejects(sync(named(""), folder, options({ resolve })), {
      reason: "forbidden_address",
      message: /allowPrivate=1/,
    });
    answers = ["169.254.169.254"];
    await assert.rejects(sync(named("?allowPrivate=1"), folder, options({ resolve })), { reason: "forbidden_address" });
    assert.equal(server.connections, connections);
    answers = ["127.0.0.1"];
    assert.deepEqual((await sync(named("?allowPrivate=1"), folder, options({ resolve }))).changed, ["a"]);
  });

  test("progress is told in bytes of all that there is to bring", async () => {
    offer({ a: { 1: { "model.onnx": A1 }, 2: { "model.onnx": A2 } } });
    server.fault(`${BASE}a/1/model.onnx`, brokenAfter(A1, 100_000, '"old"'));
    const told: SyncProgress[] = [];
    await run({ progress: (progress) => told.push(progress) });
    assert.deepEqual(told.at(-1), { model: "a", receivedBytes: 500_000, totalBytes: 500_000 });
  });

  test("one process at a time writes to a folder; one that died holds nothing up", async () => {
    offer(A);
    await run();
    const lock = join(folder, ".warmgate", "lock");
    assert.ok(!existsSync(lock));
    const host = (await import("node:os")).hostname();
    writeFileSync(lock, JSON.stringify({ host: "another-machine", pid: 1, run: "x" }));
    await assert.rejects(run(), { reason: "cache_busy", message: /process 1 on another-machine/ });
    writeFileSync(lock, JSON.stringify({ host, pid: process.ppid, run: "x" }));
    await assert.rejects(run(), { reason: "cache_busy" });
    for (const pid of [process.pid, 2 ** 30]) {
      writeFileSync(lock, JSON.stringify({ host, pid, run: "x" }));
      assert.deepEqual((await run()).failures, []);
    }
    const [first, second] = await Promise.allSettled([run(), run()]);
    assert.deepEqual([first.status, second.status].sort(), ["fulfilled", "rejected"]);
  });

  test("a folder that holds something else, or another source's models, is left alone", async () => {
    offer(A);
    mkdirSync(folder);
    writeFileSync(join(folder, "precious"), "");
    await assert.rejects(run(), { reason: "cache_unusable" });
    assert.deepEqual(readdirSync(folder), ["precious"]);
    rmSync(join(folder, "precious"));
    await run();
    await assert.rejects(sync({ ...source, label: "other" }, folder, options()), {
      reason: "cache_unusable",
      message: /not of other/,
    });
    assert.deepEqual(await serving(), ["a:1"]);
  });

  test("a record that cannot be read costs a download and no more", async () => {
    offer(A);
    await run();
    writeFileSync(join(folder, ".warmgate", "record.json"), "{");
    assert.deepEqual((await run()).changed, ["a"]);
    assert.deepEqual([(await run()).changed, await serving()], [[], ["a:1"]]);
  });
});
