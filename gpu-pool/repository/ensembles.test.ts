import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { pino } from "pino";
import { until } from "../../test/support/until.ts";
import type { Served } from "../ensemble/served-ensemble.ts";
import { realClock } from "../scheduler/real-clock.ts";
import { ModelRepository } from "./model-repository.ts";
import { ScriptedLoader } from "./scripted-loader.ts";

const step = (model: string, from: string, to: string) => ({
  ...{ model, version: "1", inputs: { in: from }, outputs: { out: to } },
});
const spec = (name: string) => ({ name, datatype: "UINT8" as const, shape: [-1] });
const CHAIN = { inputs: [spec("x")], steps: [step("a", "x", "y"), step("z", "y", "end")], outputs: ["end"] };

describe("an ensemble in the repository", () => {
  let folder = "";
  let script = new ScriptedLoader(() => "");
  let repository: ModelRepository;
  const put = (path: string, content: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const putEnsemble = (ensemble: object) => put("both/model.json", JSON.stringify({ ensemble }));
  const entry = (name: string) => {
    const found = repository.index().find((one) => one.name === name);
    return found ? `${found.state} ${found.reason}`.trimEnd() : undefined;
  };
  const ask = (model: Served) =>
    model.accept(
      {
        parameters: {},
        inputs: [{ name: "x", datatype: "UINT8", shape: [1], bytes: new Uint8Array(1) }],
        binaryOutput: true,
      },
      { tenant: "", priority: "default", deadline: realClock.now() + 60_000, maxRows: 0 },
      { clock: realClock, caller: { gone: false } },
    );

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-ensembles-"));
    script = new ScriptedLoader((file) => readFileSync(file, "utf8"));
    script.signature = { inputs: [spec("in")], outputs: [spec("out")] };
    repository = new ModelRepository({
      folders: [folder],
      load: (artefact, onCrash) => script.load(artefact, onCrash),
      loadEnsemble: (source, lookUp) => script.loadEnsemble(source, lookUp),
      log: pino({ level: "silent" }),
    });
    put("a/1/model.onnx", "a");
    put("z/1/model.onnx", "z");
    putEnsemble(CHAIN);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("is ready with the models that it is made of, wherever they are in the order of names", async () => {
    await repository.loadAll();
    assert.equal(entry("both"), "READY");
    assert.deepEqual(repository.find("both").signature, { inputs: [spec("x")], outputs: [spec("end")] });
  });

  test("goes on under another digest once a member has another content, and uses the new one only", async () => {
    await repository.loadAll();
    const before = repository.find("both");
    put("z/1/model.onnx", "another");
    await repository.load("z");
    const now = repository.find("both");
    assert.notEqual(now.identity.digest, before.identity.digest);
    assert.throws(() => ask(before), /z\/1, a step of 'both', is being replaced or unloaded/);
    assert.ok(now.kind === "ensemble" && now.steps.every(({ member }) => member.hold()));
  });

  test("has a member that is replaced stay for requests that have begun", async () => {
    await repository.loadAll();
    const both = repository.find("both");
    assert.ok(both.kind === "ensemble");
    const letGo = both.steps[1]?.member.hold();
    put("z/1/model.onnx", "another");
    const loading = repository.load("z");
    await until("the new member", () => repository.find("both") !== both);
    assert.ok(!script.events.includes("close z/1=z"));
    letGo?.();
    await loading;
    assert.ok(script.events.includes("close z/1=z"));
  });

  test("keeps its digest over a reload of a member that has not changed, and a spelling of its own that means the same", async () => {
    await repository.loadAll();
    const { digest } = repository.find("both").identity;
    await repository.load("z");
    putEnsemble({ ...CHAIN, steps: CHAIN.steps.map(({ outputs, ...others }) => ({ outputs, ...others })) });
    await repository.load("both");
    assert.equal(repository.find("both").identity.digest, digest);
  });

  test("is not ready while a member is unloaded, says why, and comes back with it", async () => {
    await repository.loadAll();
    const { digest } = repository.find("both").identity;
    await repository.unload("z");
    assert.equal(
      entry("both"),
      "UNAVAILABLE the ensemble of model.json does not fit: steps[1] (z/1) is not ready: unloaded",
    );
    assert.throws(() => repository.find("both"), /not ready/);
    await repository.load("z");
    assert.equal(repository.find("both").identity.digest, digest);
  });

  test("that was unloaded itself stays so when a member comes back", async () => {
    await repository.loadAll();
    await repository.unload("both");
    await repository.unload("z");
    await repository.load("z");
    assert.equal(entry("both"), "UNAVAILABLE unloaded");
  });

  test("takes up a member that comes later", async () => {
    rmSync(join(folder, "z"), { recursive: true });
    await repository.loadAll();
    assert.match(entry("both") ?? "", /steps\[1\] \(z\/1\) is not there: there is no such model/);
    put("z/1/model.onnx", "z");
    await repository.load("z");
    assert.equal(entry("both"), "READY");
  });

  test("names the versions that there are where it names another", async () => {
    putEnsemble({ ...CHAIN, steps: [CHAIN.steps[0], { ...CHAIN.steps[1], version: "4" }] });
    await repository.loadAll();
    assert.match(entry("both") ?? "", /steps\[1\] \(z\/4\) is not there: the model has version 1/);
  });

  test("is not ready while a member that has crashed is away", async () => {
    rmSync(join(folder, "a"), { recursive: true });
    putEnsemble({ ...CHAIN, steps: [step("z", "x", "end")] });
    await repository.loadAll();
    script.crash?.("its thread has died");
    assert.match(entry("both") ?? "", /^UNAVAILABLE .*z\/1\) is not ready: its thread has died/);
    await repository.close();
  });

  test("is not ready when a member becomes one that does not fit", async () => {
    await repository.loadAll();
    script.signature = { inputs: [spec("other")], outputs: [spec("out")] };
    put("z/1/model.onnx", "another");
    await repository.load("z");
    assert.equal(entry("z"), "READY");
    assert.match(entry("both") ?? "", /^UNAVAILABLE .*\(z\/1\) has no input 'in': it has 'other'/);
  });

  test("whose new settings do not fit is refused, and what it was goes on", async () => {
    await repository.loadAll();
    const { digest } = repository.find("both").identity;
    putEnsemble({ ...CHAIN, outputs: ["nothing"] });
    await assert.rejects(repository.load("both"), /outputs: 'nothing' is made by no step/);
    assert.equal(repository.find("both").identity.digest, digest);
  });

  test("is not made of ensembles, nor of itself, and its circle does not keep others from serving", async () => {
    put("over/model.json", JSON.stringify({ ensemble: { ...CHAIN, steps: [step("both", "x", "end")] } }));
    put("self/model.json", JSON.stringify({ ensemble: { ...CHAIN, steps: [step("self", "x", "end")] } }));
    const circle = [step("a", "p", "q"), step("z", "q", "p")];
    put("round/model.json", JSON.stringify({ ensemble: { ...CHAIN, steps: circle, outputs: ["q"] } }));
    await repository.loadAll();
    assert.match(entry("over") ?? "", /\(both\/1\) is an ensemble itself: an ensemble is made of models alone/);
    assert.match(entry("self") ?? "", /\(self\/1\) is this ensemble itself/);
    assert.match(entry("round") ?? "", /its steps go in a circle: a -> z -> a/);
    assert.deepEqual([entry("a"), entry("both"), entry("z")], ["READY", "READY", "READY"]);
  });

  test("with a model of its own beside is refused", async () => {
    put("both/1/model.onnx", "mine");
    await repository.loadAll();
    assert.equal(entry("both"), "UNAVAILABLE model.json names an ensemble, but there is a model.onnx");
  });

  test("that becomes a model is one, and the other way round", async () => {
    await repository.loadAll();
    put("both/1/model.onnx", "mine");
    put("both/model.json", "{}");
    await repository.load("both");
    assert.equal(repository.find("both").kind, "model");
    rmSync(join(folder, "both", "1"), { recursive: true });
    putEnsemble(CHAIN);
    await repository.load("both");
    assert.equal(repository.find("both").kind, "ensemble");
    assert.deepEqual(script.events.slice(-1), ["close both/1=mine"]);
  });
});
