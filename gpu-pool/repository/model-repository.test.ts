import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { pino } from "pino";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { until } from "../../test/support/until.ts";
import { ModelRepository } from "./model-repository.ts";
import { ScriptedLoader } from "./scripted-loader.ts";

describe("the model repository", () => {
  let folder = "";
  let contents = new Map<string, string>();
  let script = new ScriptedLoader(() => "");
  let repository: ModelRepository;
  const put = (model: string, version: number, content: string) => {
    const file = join(folder, model, String(version), "model.onnx");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    contents.set(file, content);
  };
  const states = (name: string) =>
    repository.index().flatMap((entry) => (entry.name === name ? [`${entry.version} ${entry.state}`] : []));
  const serving = (name: string, version?: string) => repository.find(name, version).identity.description;
  const refusal = (name: string, version?: string) => {
    try {
      repository.find(name, version);
      return "none";
    } catch (error) {
      assert.ok(error instanceof WarmgateError);
      return `${error.code}: ${error.message}`;
    }
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-repository-"));
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

  test("everything on disk is served, the highest version unless another is named", async () => {
    put("m", 2, "two");
    put("m", 10, "ten");
    await repository.loadAll();
    assert.equal(serving("m"), "ten");
    assert.equal(serving("m", "2"), "two");
    assert.deepEqual(repository.readyVersions("m"), ["2", "10"]);
  });

  test("one broken model among good ones is in the index with its reason and does not hold up readiness", async () => {
    put("bad", 1, "broken");
    put("good", 1, "g");
    assert.equal(repository.ready, false);
    await repository.loadAll();
    assert.equal(repository.ready, true);
    assert.equal(serving("good"), "g");
    const [bad] = repository.index();
    assert.deepEqual(bad, { name: "bad", version: "1", state: "UNAVAILABLE", reason: "broken does not load" });
  });

  test("what is left out is not loaded and says why, until its files change", async () => {
    put("m", 1, "deadly");
    put("m", 2, "two");
    await repository.loadAll();
    const { digest } = repository.find("m", "1").identity;
    const next = new ModelRepository({
      folders: [folder],
      load: (artefact, onCrash) => script.load(artefact, onCrash),
      loadEnsemble: (source, lookUp) => script.loadEnsemble(source, lookUp),
      log: pino({ level: "silent" }),
    });
    next.leaveOut([{ model: "m", version: "1", digest, reason: "it is deadly" }]);
    script.events.length = 0;
    await next.loadAll();
    assert.deepEqual(script.events, ["load m/2=two"]);
    assert.equal(next.index()[0]?.reason, "it is deadly");
    await assert.rejects(next.load("m"), { code: "model_rejected", message: /version 1: it is deadly/ });
    put("m", 1, "mended");
    await next.load("m");
    assert.deepEqual(next.readyVersions("m"), ["1", "2"]);
  });

  test("what is left out is loaded when it is asked for again by name", async () => {
    put("m", 1, "deadly");
    await repository.loadAll();
    const { digest } = repository.find("m", "1").identity;
    await repository.unload("m");
    repository.leaveOut([{ model: "m", version: "1", digest, reason: "it is deadly" }]);
    await assert.rejects(repository.load("m"), { code: "model_rejected" });
    await repository.loadAgain("m");
    assert.deepEqual(repository.readyVersions("m"), ["1"]);
  });

  test("until all that is on disk has been tried, a name that is not known yet is not ready, and only then not found", async () => {
    put("a", 1, "a");
    put("m", 1, "one");
    const { promise, resolve } = Promise.withResolvers<void>();
    script.gate = promise;
    const refused = () => [refusal("m"), refusal("m", "1"), refusal("a", "2")].map((text) => text.split(":")[0]);
    assert.deepEqual(refused(), Array(3).fill("model_not_ready"));
    const loading = repository.loadAll();
    await until("the first load", () => script.events.length === 1);
    assert.deepEqual(refused(), Array(3).fill("model_not_ready"));
    resolve();
    await loading;
    assert.equal(serving("m", "1"), "one");
    assert.match(refusal("n"), /^model_not_found/);
    assert.match(refusal("a", "2"), /^version_not_found/);
  });

  test("a reload that fails leaves the version that serves as it was", async () => {
    put("m", 1, "old");
    await repository.loadAll();
    put("m", 1, "broken");
    await assert.rejects(repository.load("m"), { code: "model_rejected", message: /failed to load 'm', version 1/ });
    assert.equal(serving("m"), "old");
    assert.deepEqual(states("m"), ["1 READY"]);
    assert.ok(!script.events.includes("close m/1=old"));
  });

  test("of several new versions the good ones are served, and all that fail are named", async () => {
    for (const [version, content] of [
      [1, "one"],
      [2, "broken"],
      [3, "three"],
      [4, "broken"],
    ] as const)
      put("m", version, content);
    await assert.rejects(repository.load("m"), { message: /version 2: .*; version 4: / });
    assert.equal(serving("m"), "three");
    assert.match(refusal("m", "2"), /^model_not_ready/);
  });

  test("a replaced version serves until the new one is ready, and is closed only then", async () => {
    put("m", 1, "old");
    await repository.loadAll();
    put("m", 1, "new");
    const { promise, resolve } = Promise.withResolvers<void>();
    script.gate = promise;
    const loading = repository.load("m");
    await until("the load to begin", () => script.events.includes("load m/1=new"));
    assert.equal(serving("m"), "old");
    assert.equal(repository.ready, true);
    resolve();
    await loading;
    assert.equal(serving("m"), "new");
    assert.deepEqual(script.events, ["load m/1=old", "load m/1=new", "close m/1=old"]);
  });

  test("a version that has not changed is not loaded again", async () => {
    put("m", 1, "one");
    await repository.loadAll();
    await repository.load("m");
    assert.deepEqual(script.events, ["load m/1=one"]);
  });

  test("a version that has gone from the disk is closed and no longer served", async () => {
    put("m", 1, "one");
    put("m", 2, "two");
    await repository.loadAll();
    rmSync(join(folder, "m", "2"), { recursive: true });
    await repository.load("m");
    assert.equal(serving("m"), "one");
    assert.deepEqual(states("m"), ["1 READY"]);
    assert.throws(() => repository.find("m", "2"), { code: "version_not_found" });
    assert.ok(script.events.includes("close m/2=two"));
  });

  test("an unloaded model comes back with a load", async () => {
    put("m", 1, "one");
    await repository.loadAll();
    await repository.unload("m");
    assert.match(refusal("m"), /^model_not_ready/);
    assert.deepEqual(repository.served(), []);
    await repository.load("m");
    assert.equal(serving("m"), "one");
  });

  test("loads and unloads of one model run one after another, in the order in which they were asked for", async () => {
    put("m", 1, "one");
    await Promise.all([repository.load("m"), repository.unload("m"), repository.load("m"), repository.unload("m")]);
    assert.deepEqual(script.events, ["load m/1=one", "close m/1=one", "load m/1=one", "close m/1=one"]);
    assert.match(refusal("m"), /^model_not_ready/);
  });

  test("a change that fails does not hold up the next one", async () => {
    put("m", 1, "broken");
    const first = repository.load("m");
    await assert.rejects(first);
    script.broken.clear();
    await repository.load("m");
    assert.equal(serving("m"), "broken");
  });

  test("a model that is loading for the first time is not ready, and neither is the pool", async () => {
    put("m", 1, "one");
    const { promise, resolve } = Promise.withResolvers<void>();
    script.gate = promise;
    const loading = repository.loadAll();
    await until("the load to begin", () => script.events.length > 0);
    assert.deepEqual(states("m"), ["1 LOADING"]);
    assert.match(refusal("m"), /^model_not_ready/);
    assert.equal(repository.ready, false);
    resolve();
    await loading;
    assert.equal(repository.ready, true);
  });

  test("what does not exist is told apart, in the words that public clients look for", async () => {
    put("m", 1, "one");
    await repository.loadAll();
    assert.match(refusal("x"), /^model_not_found: Request for unknown model: 'x' is not found$/);
    assert.match(refusal("m", "7"), /^version_not_found: Request for unknown model: 'm' version 7 is not found$/);
    for (const change of [repository.load("x"), repository.unload("x")]) {
      await assert.rejects(change, { code: "model_not_found", message: /^Request for unknown model/ });
    }
    for (const name of ["__proto__", "constructor", "toString"]) assert.match(refusal(name), /^model_not_found/);
  });

  test("a model that crashes is taken out of service at once and loaded again", async () => {
    put("m", 1, "one");
    await repository.loadAll();
    script.crash?.("its thread ended");
    assert.match(refusal("m"), /^model_not_ready/);
    assert.equal(repository.index()[0]?.reason, "its thread ended");
    await until("the model to be back", () => states("m")[0] === "1 READY");
    assert.equal(serving("m"), "one");
  });

  test("the crash of a version that has been replaced changes nothing", async () => {
    put("m", 1, "old");
    await repository.loadAll();
    const crashOfOld = script.crash;
    put("m", 1, "new");
    await repository.load("m");
    crashOfOld?.("late");
    assert.equal(serving("m"), "new");
  });

  test("a load that the pool's end has cut short says so and not that the model was rejected", async () => {
    put("m", 1, "one");
    script.meanwhile = () => {
      throw new WarmgateError("draining", "this process is stopping", { retryAfterSeconds: 1 });
    };
    await assert.rejects(repository.load("m"), { code: "draining", retryAfterSeconds: 1 });
  });

  test("closing closes every model once", async () => {
    put("m", 1, "one");
    put("n", 1, "two");
    await repository.loadAll();
    await repository.close();
    assert.deepEqual(script.events.filter((event) => event.startsWith("close")).sort(), [
      "close m/1=one",
      "close n/1=two",
    ]);
  });
});
