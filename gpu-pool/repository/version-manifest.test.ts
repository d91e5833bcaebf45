import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { readContent } from "./artefact.ts";
import { checkContents, checkSizes, readVersionManifest } from "./version-manifest.ts";

describe("a version's manifest", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-manifest-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const put = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const entry = (text: string) => ({ sha256: createHash("sha256").update(text).digest("hex"), size: text.length });
  const read = (content: unknown) => readVersionManifest(put("manifest.json", JSON.stringify(content)));
  /** What becomes of these files under this manifest. */
  const verdict = async (listed: Record<string, string>, present: Record<string, string>): Promise<string> => {
    const files = Object.entries(listed).map(([name, text]) => [name, entry(text)]);
    const manifest = await read({ files: Object.fromEntries(files) });
    const paths = Object.entries(present).map(([name, text]) => put(name, text));
    try {
      await checkSizes(manifest, paths);
      const contents = await Promise.all(paths.map((path) => readContent(path)));
      checkContents(manifest, contents);
      return "as it says";
    } catch (error) {
      return error instanceof Error ? error.message.replace(/^.*says: /, "") : "";
    }
  };

  test("files that are as it says are taken", async () => {
    const files = { "model.onnx": "graph", "weights.bin": "weights" };
    assert.equal(await verdict(files, files), "as it says");
  });

  test("a file that is still being written is told by its size", async () => {
    assert.equal(
      await verdict({ "model.onnx": "graph" }, { "model.onnx": "gra" }),
      "'model.onnx' has 3 bytes instead of 5",
    );
  });

  test("another content of the same size is told by its digest", async () => {
    assert.equal(
      await verdict({ "model.onnx": "graph" }, { "model.onnx": "graqh" }),
      "'model.onnx' has another content",
    );
  });

  test("a file that is missing, and one that is not listed, are named", async () => {
    const listed = { "model.onnx": "graph", "weights.bin": "weights" };
    assert.equal(await verdict(listed, { "model.onnx": "graph" }), "'weights.bin' is not there");
    assert.equal(
      await verdict({ "model.onnx": "graph" }, { "model.onnx": "graph", constructor: "x" }),
      "'constructor' is not in it",
    );
  });

  test("one that cannot be understood is refused with everything that is wrong", async () => {
    await assert.rejects(readVersionManifest(put("manifest.json", "{")), {
      code: "model_rejected",
      message: "manifest.json cannot be read as JSON",
    });
    await assert.rejects(read({ files: { a: { sha256: "XY", size: -1 } } }), /files\.a\.sha256: .*; files\.a\.size: /);
    await assert.rejects(read([]), { code: "model_rejected" });
  });
});
