import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { pino } from "pino";
import { until } from "../../test/support/until.ts";
import type { ServedModel } from "../runtime/served-model.ts";
import { ModelRepository } from "./model-repository.ts";
import { ScriptedLoader } from "./scripted-loader.ts";

describe("a model that is evicted", () => {
  let folder: string;
  let script: ScriptedLoader;
  let repository: ModelRepository;
  /** What is done with a model before it is published. */
  let loaded: (served: ServedModel) => void;
  const states = () => repository.index().map(({ name, state, reason }) => `${name} ${state} ${reason}`.trim());

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-eviction-"));
    for (const name of ["a", "b"]) {
      mkdirSync(join(folder, name, "1"), { recursive: true });
      writeFileSync(join(folder, name, "1", "model.onnx"), name);
    }
    loaded = () => undefined;
    script = new ScriptedLoader((file) => readFileSync(file, "utf8"));
    repository = new ModelRepository({
      folders: [folder],
      load: async (artefact, onCrash) => {
        const served = await script.load(artefact, onCrash);
        loaded(served);
        return served;
      },
      loadEnsemble: (source, lookUp) => script.loadEnsemble(source, lookUp),
      log: pino({ level: "silent" }),
    });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("is out of service at once, says why, and comes back when it is loaded by name", async () => {
    await repository.loadAll();
    const evicting = repository.evict(repository.find("a"));
    assert.throws(() => repository.find("a"), { code: "model_not_ready" });
    await evicting;
    assert.deepEqual(states(), ["a UNAVAILABLE evicted to make room for another model", "b READY"]);
    await repository.load("a");
    assert.deepEqual(states(), ["a READY", "b READY"]);
    assert.deepEqual(script.events, ["load a/1=a", "load b/1=b", "close a/1=a", "load a/1=a"]);
  });

  test("leaves while a load of it waits for the one that it makes room for", async () => {
    await repository.loadAll();
    const served = repository.find("a");
    const gate = Promise.withResolvers<void>();
    script.gate = gate.promise;
    writeFileSync(join(folder, "a", "1", "model.onnx"), "next");
    const reloading = repository.load("a");
    await repository.evict(served);
    gate.resolve();
    await reloading;
    assert.deepEqual(states(), ["a READY", "b READY"]);
    assert.notEqual(repository.find("a"), served);
  });

  test("is not published any more where it had just been loaded", async () => {
    loaded = (served) => void (served.identity.name === "a" && repository.evict(served));
    await repository.loadAll();
    assert.deepEqual(states(), ["a UNAVAILABLE evicted to make room for another model", "b READY"]);
  });

  test("is told when it has left the device, as every model is that is unloaded or has crashed", async () => {
    const left: string[] = [];
    loaded = (served) => {
      served.onClosed = () => left.push(served.identity.name);
    };
    await repository.loadAll();
    await repository.evict(repository.find("a"));
    assert.deepEqual(left, ["a"]);
    await repository.load("a");
    script.crash?.("its thread ended");
    await until("the crashed one to be closed", () => left.length === 2);
    await repository.unload("b");
    assert.deepEqual(left, ["a", "a", "b"]);
  });
});
