import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { findOnDisk, parseSubject } from "./model-subject.ts";

describe("what a command is about", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-subject-"));
  after(() => rmSync(folder, { recursive: true }));
  for (const version of ["2", "10"]) {
    mkdirSync(join(folder, "digits", version), { recursive: true });
    writeFileSync(join(folder, "digits", version, "model.onnx"), "");
  }
  writeFileSync(join(folder, "digits", "10", "weights.bin"), "");
  writeFileSync(join(folder, "a name.onnx"), "");

  test("a name alone is the pool's, a path is on disk", () => {
    assert.deepEqual(parseSubject("digits"), { at: "pool", name: "digits", version: undefined });
    assert.deepEqual(parseSubject("digits@3"), { at: "pool", name: "digits", version: "3" });
    assert.deepEqual(parseSubject("./digits@3"), { at: "disk", path: "./digits", version: "3" });
    for (const path of ["digits.onnx", "models/digits", ".", "..", "/a@b/digits"]) {
      assert.deepEqual(parseSubject(path), { at: "disk", path, version: undefined });
    }
  });

  test("a .json file is a contract", () => {
    assert.deepEqual(parseSubject("contract.json"), { at: "contract", file: "contract.json" });
  });

  test("what is neither is wrong usage", () => {
    assert.throws(() => parseSubject("digits@latest"), /a model version is a whole number from 1, not 'latest'/);
    assert.throws(() => parseSubject("di gits"), /A model's name is/);
  });

  test("a model's folder means its highest version by number, or the one that is named", async () => {
    assert.equal((await findOnDisk(join(folder, "digits"))).version, "10");
    assert.equal((await findOnDisk(join(folder, "digits"), "2")).version, "2");
    await assert.rejects(findOnDisk(join(folder, "digits"), "3"), /has no version 3; there are 2, 10\.$/);
  });

  test("a version's folder and the model in it mean that version, with the files beside it", async () => {
    for (const path of [join(folder, "digits", "10"), join(folder, "digits", "10", "model.onnx")]) {
      const { model, version } = await findOnDisk(path);
      assert.deepEqual([model.name, version], ["digits", "10"]);
      assert.equal(model.versions.get(version)?.files.length, 2);
    }
    await assert.rejects(findOnDisk(join(folder, "digits", "10"), "2"), /is version 10, not 2/);
  });

  test("a file alone need not have a name that a pool would take", async () => {
    const { model, version } = await findOnDisk(join(folder, "a name.onnx"));
    assert.deepEqual([model.name, version], ["model", "1"]);
  });

  test("what is not there or holds no model is wrong usage", async () => {
    await assert.rejects(findOnDisk(join(folder, "none")), /There is no file or folder .* named without a path/);
    await assert.rejects(findOnDisk(folder), /is no model's folder: there is no <version>\/model\.onnx in it/);
  });
});
