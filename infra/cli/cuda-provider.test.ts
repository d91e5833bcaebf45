import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { copyProvider, PROVIDER_FILES, runtimeVersion } from "./cuda-provider.ts";

describe("the CUDA provider", () => {
  let root: string;
  let into: string;
  const put = (folder: string, ...files: readonly string[]): string => {
    mkdirSync(join(root, folder), { recursive: true });
    for (const file of files) writeFileSync(join(root, folder, file), file);
    return join(root, folder);
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "warmgate-provider-"));
    into = put("into");
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  test("is copied out of a folder, and out of one with the Python package in it", async () => {
    put("package/onnxruntime/capi", ...PROVIDER_FILES, "libonnxruntime.so.1.30.0", "more.so");
    for (const from of [put("plain", ...PROVIDER_FILES), join(root, "package")]) {
      rmSync(into, { recursive: true });
      mkdirSync(into);
      await copyProvider(from, into, "1.30.0");
      assert.deepEqual(readdirSync(into).sort(), [...PROVIDER_FILES].sort());
      for (const file of PROVIDER_FILES) assert.equal(readFileSync(join(into, file), "utf8"), file);
    }
  });

  test("of another version of ONNX Runtime is refused with both", async () => {
    const from = put("other", ...PROVIDER_FILES, "libonnxruntime.so.1.31.1");
    await assert.rejects(copyProvider(from, into, "1.30.0"), /is of ONNX Runtime 1\.31\.1; it must be of 1\.30\.0/);
    assert.deepEqual(readdirSync(into), []);
  });

  test("is missed where there is none, or a part of it", async () => {
    for (const from of [join(root, "nowhere"), put("part", PROVIDER_FILES[0])]) {
      await assert.rejects(copyProvider(from, into, "1.30.0"), /has no libonnxruntime_providers_shared\.so and lib/);
    }
  });

  test("has to be of the version that is installed", async () => {
    assert.match(await runtimeVersion(), /^\d+\.\d+\.\d+$/);
  });
});
