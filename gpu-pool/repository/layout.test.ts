import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { isLaidOutAsEnsemble, scanRepository } from "./layout.ts";
import { readVersion } from "./version-content.ts";

describe("a repository on disk", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-layout-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const put = (...path: string[]): string => {
    const file = join(folder, ...path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, basename(file));
    return file;
  };
  const found = async (...folders: string[]) =>
    [...(await scanRepository(folders.length > 0 ? folders : [folder]))].map(
      ([name, { versions }]) => `${name}:${[...versions.keys()].sort().join(",")}`,
    );

  test("models are folders of versions, or files alone", async () => {
    put("a", "1", "model.onnx");
    put("a", "12", "model.onnx");
    put("b.onnx");
    assert.deepEqual(await found(), ["a:1,12", "b:1"]);
  });

  test("what is no version and no model is passed over", async () => {
    for (const version of ["0", "01", "-1", "v1", "latest", "1.0"]) put("a", version, "model.onnx");
    put("a", "1", "model.onnx");
    put("empty", "1", "weights.bin");
    put(".hidden", "1", "model.onnx");
    put("..x", "1", "model.onnx");
    put("with space", "1", "model.onnx");
    put("README.md");
    mkdirSync(join(folder, "b", "1", "model.onnx"), { recursive: true });
    symlinkSync(join(folder, "gone"), join(folder, "dangling"));
    assert.deepEqual(await found(), ["a:1"]);
  });

  test("versions of an ensemble need no model; without any version it is version 1", async () => {
    const write = (content: string, ...path: string[]) => writeFileSync(put(...path), content);
    write('{"ensemble":0}', "alone", "model.json");
    write('{"ensemble":0}', "many", "model.json");
    mkdirSync(join(folder, "many", "1"));
    mkdirSync(join(folder, "many", "3"));
    write("{}", "plain", "model.json");
    mkdirSync(join(folder, "plain", "1"));
    assert.deepEqual(await found(), ["alone:1", "many:1,3"]);
    const alone = (await scanRepository([folder])).get("alone");
    assert.deepEqual(alone?.versions.get("1"), { modelFile: alone?.modelJson, files: [] });
    assert.ok(alone && isLaidOutAsEnsemble(alone));
  });

  test("a model.json that is half written is told from one that has gone, where there is no model", async () => {
    writeFileSync(put("half", "model.json"), '{"ensem');
    const half = (await scanRepository([folder])).get("half");
    assert.match(half?.fault ?? "", /model\.json, which might name an ensemble, cannot be read/);
  });

  test("an earlier folder hides a model of the same name in a later one", async () => {
    put("first", "m", "1", "model.onnx");
    put("second", "m", "2", "model.onnx");
    put("second", "n", "1", "model.onnx");
    assert.deepEqual(await found(join(folder, "first"), join(folder, "second")), ["m:1", "n:1"]);
  });

  test("a version's files are its model and the data beside it, in a stable order, with model.json apart", async () => {
    const data = put("a", "1", "b.data");
    const model = put("a", "1", "model.onnx");
    const modelJson = put("a", "model.json");
    const a = (await scanRepository([folder])).get("a");
    assert.deepEqual(a?.versions.get("1"), { modelFile: model, files: [data, model] });
    assert.equal(a?.modelJson, modelJson);
  });

  test("a mounted volume's links to folders are no files of the model, its links to files are", async () => {
    const model = put("volume", "..2026", "model.onnx");
    mkdirSync(join(folder, "a", "1"), { recursive: true });
    symlinkSync(dirname(model), join(folder, "a", "1", "..data"));
    symlinkSync(join("..data", "model.onnx"), join(folder, "a", "1", "model.onnx"));
    const version = (await scanRepository([folder])).get("a")?.versions.get("1");
    assert.deepEqual(
      version?.files.map((file) => basename(file)),
      ["model.onnx"],
    );
    assert.match(await readVersion(version!, undefined), /^[0-9a-f]{64}$/);
  });

  test("a folder that is not there is an error: a pool without its models must not look healthy", async () => {
    await assert.rejects(scanRepository([join(folder, "nothing")]), { code: "ENOENT" });
  });
});

describe("an artefact's digest", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-artefact-"));
  const digestOf = (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const paths = Object.keys(files).map((name) => join(folder, name));
    return readVersion({ modelFile: paths[0] ?? "", files: paths }, undefined);
  };
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => mkdirSync(folder, { recursive: true }));

  test("the same files have the same digest", async () => {
    assert.equal(await digestOf({ a: "1", b: "2" }), await digestOf({ a: "1", b: "2" }));
  });

  test("any change of a name, of content, or of what belongs to which file changes it", async () => {
    const sets = [
      { a: "1", b: "2" },
      { a: "2", b: "1" },
      { a: "12", b: "" },
      { ab: "1" },
      { a: "1" },
      { a: "1", c: "2" },
    ];
    const digests = [];
    for (const files of sets) digests.push(await digestOf(files));
    assert.equal(new Set(digests).size, sets.length);
  });
});
