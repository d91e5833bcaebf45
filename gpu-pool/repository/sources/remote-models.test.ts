import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { pino } from "pino";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { realClock } from "../../scheduler/real-clock.ts";
import { scanRepository } from "../layout.ts";
import { RemoteModels, readModelPlaces, reloadIn } from "./remote-models.ts";
import { type Models, manifestOf, publish, ScriptedServer, status } from "./scripted-server.ts";

const A1 = Buffer.alloc(50_000, "a1 ");

describe("a pool's remote models", () => {
  let server: ScriptedServer;
  let root = "";
  const lines: string[] = [];
  before(async () => {
    server = await ScriptedServer.start();
  });
  after(() => server.stop());
  beforeEach(() => {
    server.reset();
    lines.length = 0;
    root = mkdtempSync(join(tmpdir(), "warmgate-remote-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const offer = (models: Models) => {
    publish(server, "/", models);
    server.files.set("/warmgate-models.json", manifestOf(models));
  };
  const places = () => readModelPlaces([`${server.origin}/`, root], {}, join(root, "cache"));
  const open = (everyMs = 20) =>
    new RemoteModels(places().remotes, {
      maxBytes: 1_000_000,
      everyMs,
      clock: realClock,
      random: () => 0,
      log: pino({ level: "info" }, { write: (line: string) => void lines.push(line) }),
      limits: { connections: 2, connectMs: 1_000, idleMs: 1_000 },
      retry: { attempts: 2, firstWaitMs: 1, longestWaitMs: 1, random: () => 0 },
    });
  const served = async () => [...(await scanRepository(places().folders)).keys()];
  const signal = new AbortController().signal;

  test("what --models names keeps its order, and a place that is named twice is one", () => {
    const given = ["b", "https://m.example/", "a", "https://m.example", "b"];
    const { folders, remotes } = readModelPlaces(given, { WARMGATE_MODELS_TOKEN: "t" }, "/cache");
    assert.deepEqual(folders, [resolve("b"), remotes[0]?.folder, resolve("a")]);
    assert.deepEqual([remotes.length, remotes[0]?.credentials.kind], [1, "bearer"]);
    assert.throws(() => readModelPlaces(["ftp://x/"], {}, "/cache"), { reason: "misconfigured" });
  });

  test("are there when they have been brought, and changes of them are told", async () => {
    offer({ a: { 1: { "model.onnx": A1 } } });
    const remote = open();
    await remote.bring(signal);
    assert.deepEqual(await served(), ["a"]);
    const { promise: told, resolve: tell } = Promise.withResolvers<readonly string[]>();
    remote.poll(async (models) => tell(models));
    offer({ b: { 1: { "model.onnx": A1 } } });
    assert.deepEqual(await told, ["a", "b"]);
    assert.deepEqual(await served(), ["b"]);
    await remote.stop();
    const requests = server.seen.length;
    await new Promise((done) => setTimeout(done, 60));
    assert.equal(server.seen.length, requests);
  });

  test("of an earlier start are served when the source is away or wrong", async () => {
    offer({ a: { 1: { "model.onnx": A1 } } });
    await open().bring(signal);
    for (const fault of [status(500), status(404), status(200, "garbage")]) {
      server.fault("/warmgate-models.json", fault, fault);
      const remote = open(1);
      await remote.bring(signal);
      assert.deepEqual(await served(), ["a"]);
      const { promise: told, resolve: tell } = Promise.withResolvers<readonly string[]>();
      remote.poll(async (models) => tell(models));
      assert.deepEqual(await told, ["a"], "what was found by then is told when the source is back");
      await remote.stop();
      server.reset();
      offer({ a: { 1: { "model.onnx": A1 } } });
    }
    assert.ok(lines.some((line) => line.includes("serving those that are here")));
  });

  test("that there are none of are waited for while the source is down", async () => {
    offer({ a: { 1: { "model.onnx": A1 } } });
    server.fault("/warmgate-models.json", status(503), status(503));
    await open().bring(signal);
    assert.deepEqual(await served(), ["a"]);
    assert.ok(lines.some((line) => line.includes("no models yet")));
  });

  test("that there are none of are a failure at once when waiting cannot help", async () => {
    await assert.rejects(open().bring(signal), { reason: "refused", status: 404 });
    offer({ a: { 1: { "model.onnx": A1 } } });
    server.files.set("/a/1/model.onnx", Buffer.alloc(50_000));
    await assert.rejects(open().bring(signal), { reason: "digest_mismatch" });
  });

  test("that changed are loaded, that have gone are removed, and one that is rejected holds up no other", async () => {
    const done: string[] = [];
    const reload = reloadIn({
      load: async (name) => {
        if (name === "gone") throw new WarmgateError("model_not_found", "no such model");
        if (name === "bad") throw new WarmgateError("model_rejected", "not an ONNX file");
        done.push(`load ${name}`);
      },
      remove: async (name) => void done.push(`remove ${name}`),
    });
    await reload(["bad", "gone", "good"]);
    assert.deepEqual(done, ["remove gone", "load good"]);
  });

  test("are not waited for any more when the process is to stop", async () => {
    server.fault("/warmgate-models.json", ...Array.from({ length: 9 }, () => status(503)));
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("stopping")), 100);
    await assert.rejects(open().bring(stop.signal), { message: "stopping" });
  });
});
