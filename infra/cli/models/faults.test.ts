import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { manifestFaults } from "./content-faults.ts";
import { reasonsIn } from "./fault.ts";
import { repositoryFaults } from "./layout-faults.ts";

describe("what is wrong with files before they are opened", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-faults-"));
  after(() => rmSync(folder, { recursive: true }));
  const put = (name: string, content = "") => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  };

  test("what a pool passes over in silence is told, what was never meant for it is not", async () => {
    const repository = "repository";
    for (const name of ["good/1/model.onnx", "README.md", "notes/todo.txt", ".git/x.onnx", "alone.onnx"]) {
      put(`${repository}/${name}`);
    }
    assert.deepEqual(await repositoryFaults(join(folder, repository)), []);
    for (const name of ["good/v2/model.onnx", "good/3/weights.bin", "good/extra.onnx", "good.onnx"]) {
      put(`${repository}/${name}`);
    }
    for (const name of ["bad name/1/model.onnx", "bad name.onnx", "bare/model.json"]) put(`${repository}/${name}`);
    const faults = await repositoryFaults(join(folder, repository));
    const told = faults.map(({ model, version = "-", reason }) => `${model} ${version} ${reason.split(":")[0]}`);
    assert.deepEqual(told.sort(), [
      "bad name - bad name.onnx is passed over",
      "bad name - it is passed over",
      "bare - there is no <version>/model.onnx in it",
      "good - extra.onnx is passed over",
      "good - folder v2 is passed over",
      "good - good.onnx is passed over",
      "good 3 there is no model.onnx in it, so it is passed over",
    ]);
  });

  test("every file that is not what a manifest says is named, not only the first", async () => {
    const entry = (content: string) => ({
      sha256: createHash("sha256").update(content).digest("hex"),
      size: content.length,
    });
    const listed = { "model.onnx": entry("model"), "short.bin": entry("longer"), "gone.bin": entry("gone") };
    const modelFile = put("version/model.onnx", "modem");
    const files = [modelFile, put("version/short.bin", "long"), put("version/unlisted.bin", "x")];
    const manifest = put("version/manifest.json", JSON.stringify({ files: listed }));
    const faults = await manifestFaults({ modelFile, files, manifest });
    assert.deepEqual(faults.map((fault) => fault.split(": ")[1]).sort(), [
      "'gone.bin' is not there",
      "'model.onnx' has another content",
      "'short.bin' has 4 bytes instead of 6",
      "'unlisted.bin' is not in it",
    ]);
  });

  test("files that are as their manifest says, and files without one, have no fault", async () => {
    const modelFile = put("whole/model.onnx", "model");
    assert.deepEqual(await manifestFaults({ modelFile, files: [modelFile] }), []);
    const sha256 = createHash("sha256").update("model").digest("hex");
    const manifest = put("whole/manifest.json", JSON.stringify({ files: { "model.onnx": { sha256, size: 5 } } }));
    assert.deepEqual(await manifestFaults({ modelFile, files: [modelFile], manifest }), []);
  });

  test("a text of the pool's that lists several faults becomes a line for each", () => {
    assert.deepEqual(reasonsIn("model.json is not valid: maxBatch: too big; it: unknown key"), [
      "maxBatch: too big",
      "it: unknown key",
    ]);
    assert.deepEqual(reasonsIn("it hangs; nobody knows why"), ["it hangs; nobody knows why"]);
  });
});
