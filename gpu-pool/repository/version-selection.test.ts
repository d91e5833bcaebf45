/** Which of a model's versions are served, and which are not taken for what they are. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { pino } from "pino";
import { ModelRepository } from "./model-repository.ts";
import { ScriptedLoader } from "./scripted-loader.ts";

describe("versions", () => {
  let folder = "";
  let contents = new Map<string, string>();
  let script = new ScriptedLoader(() => "");
  let repository: ModelRepository;
  const put = (version: number, content: string) => {
    const file = join(folder, "m", String(version), "model.onnx");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    contents.set(file, content);
    return file;
  };
  const policy = (versionPolicy: unknown) =>
    writeFileSync(join(folder, "m", "model.json"), JSON.stringify({ versionPolicy }));
  const manifest = (version: number, content: string) => {
    const entry = { sha256: createHash("sha256").update(content).digest("hex"), size: content.length };
    writeFileSync(
      join(folder, "m", String(version), "manifest.json"),
      JSON.stringify({ files: { "model.onnx": entry } }),
    );
  };
  const states = () => repository.index().map(({ version, state }) => `${version} ${state}`);
  const reason = (version: string) => repository.index().find((entry) => entry.version === version)?.reason;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-versions-"));
    contents = new Map();
    script = new ScriptedLoader((file) => contents.get(file) ?? "");
    repository = new ModelRepository({
      folders: [folder],
      load: (artefact, onCrash) => script.load(artefact, onCrash),
      loadEnsemble: (source, lookUp) => script.loadEnsemble(source, lookUp),
      log: pino({ level: "silent" }),
    });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("latest: the highest are loaded, the others are in the index with the reason", async () => {
    for (const version of [1, 2, 10]) put(version, `v${version}`);
    policy({ latest: 2 });
    await repository.loadAll();
    assert.deepEqual(states(), ["1 UNAVAILABLE", "2 READY", "10 READY"]);
    assert.equal(reason("1"), 'left out by versionPolicy {"latest":2}');
    assert.ok(!script.events.includes("load m/1=v1"));
    assert.throws(() => repository.find("m", "1"), { code: "model_not_ready" });
  });

  test("latest: a new version takes the place of the oldest, once it is ready", async () => {
    put(1, "v1");
    policy({ latest: 1 });
    await repository.loadAll();
    put(2, "v2");
    await repository.load("m");
    assert.deepEqual(script.events, ["load m/1=v1", "load m/2=v2", "close m/1=v1"]);
    assert.equal(repository.find("m").identity.version, "2");
  });

  test("latest: a version that cannot be loaded costs none its place, at a start as well as later", async () => {
    put(1, "v1");
    policy({ latest: 1 });
    await repository.loadAll();
    put(2, "broken");
    await assert.rejects(repository.load("m"), /version 2: broken does not load/);
    assert.deepEqual(states(), ["1 READY", "2 UNAVAILABLE"]);
    await repository.close();
    const restarted = new ModelRepository({
      folders: [folder],
      load: (artefact, onCrash) => script.load(artefact, onCrash),
      loadEnsemble: (source, lookUp) => script.loadEnsemble(source, lookUp),
      log: pino({ level: "silent" }),
    });
    await restarted.loadAll();
    assert.equal(restarted.find("m").identity.version, "1");
  });

  test("specific: those alone, and one that is asked for later takes over without a gap", async () => {
    for (const version of [1, 2, 3]) put(version, `v${version}`);
    policy({ specific: ["1"] });
    await repository.loadAll();
    assert.deepEqual(states(), ["1 READY", "2 UNAVAILABLE", "3 UNAVAILABLE"]);
    policy({ specific: ["3"] });
    await repository.load("m");
    assert.deepEqual(states(), ["1 UNAVAILABLE", "2 UNAVAILABLE", "3 READY"]);
    assert.ok(script.events.indexOf("load m/3=v3") < script.events.indexOf("close m/1=v1"));
  });

  test("specific: while the one that is asked for cannot be loaded, the one that serves goes on", async () => {
    put(1, "v1");
    put(2, "broken");
    policy({ specific: ["1"] });
    await repository.loadAll();
    policy({ specific: ["2"] });
    await assert.rejects(repository.load("m"), { code: "model_rejected" });
    assert.equal(repository.find("m").identity.version, "1");
  });

  test("a policy that is none is refused with the model's other faults, and what serves goes on", async () => {
    put(1, "v1");
    await repository.loadAll();
    policy({ newest: 1 });
    await assert.rejects(repository.load("m"), /model\.json is not valid: versionPolicy/);
    assert.equal(repository.find("m").identity.version, "1");
  });

  test("a version that is not what its manifest says is not loaded; once it is, it is", async () => {
    put(1, "half");
    manifest(1, "halfandhalf");
    await repository.loadAll();
    assert.match(reason("1") ?? "", /'model\.onnx' has 4 bytes instead of 11/);
    assert.deepEqual(script.events, []);
    put(1, "halfandhalf");
    await repository.load("m");
    assert.equal(repository.find("m").identity.description, "halfandhalf");
  });

  test("the digest is the same with and without a manifest", async () => {
    put(1, "v1");
    await repository.loadAll();
    manifest(1, "v1");
    await repository.load("m");
    assert.deepEqual(script.events, ["load m/1=v1"]);
  });

  test("a version whose files change while it is loaded is not published, and is released", async () => {
    const file = put(1, "v1");
    script.meanwhile = () => utimesSync(file, 1, 1);
    await repository.loadAll();
    assert.equal(reason("1"), "its files changed while they were loaded");
    assert.deepEqual(script.events, ["load m/1=v1", "close m/1=v1"]);
  });

  test("a version whose files vanish while it is loaded is released as well", async () => {
    const file = put(1, "v1");
    script.meanwhile = () => rmSync(file);
    await repository.loadAll();
    assert.deepEqual(script.events, ["load m/1=v1", "close m/1=v1"]);
  });

  test("a folder that cannot be read changes nothing", async () => {
    put(1, "v1");
    await repository.loadAll();
    // No right can be taken from a test that is run by root; a name that is too long fails for everybody.
    symlinkSync("x".repeat(300), join(folder, "m", "1", "weights.bin"));
    await assert.rejects(repository.load("m"), /its folder cannot be read \(ENAMETOOLONG\)/);
    assert.equal(repository.find("m").identity.version, "1");
  });

  test("a model that is removed is forgotten; removing one that is not there does nothing", async () => {
    put(1, "v1");
    await repository.loadAll();
    await repository.remove("m");
    await repository.remove("n");
    assert.throws(() => repository.find("m"), { code: "model_not_found" });
    assert.deepEqual(script.events, ["load m/1=v1", "close m/1=v1"]);
  });

  test("nothing is loaded any more once it is closed", async () => {
    put(1, "v1");
    const { promise, resolve } = Promise.withResolvers<void>();
    script.gate = promise;
    const loading = repository.loadAll();
    put(2, "v2");
    const closed = repository.close();
    resolve();
    await Promise.all([loading, closed]);
    assert.equal(repository.ready, false);
    assert.deepEqual(repository.served(), []);
    await assert.rejects(repository.load("m"), { code: "draining" });
  });
});
