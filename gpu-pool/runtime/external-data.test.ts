import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { checkExternalData } from "./external-data.ts";

describe("a model's external data", () => {
  let root = "";
  let folder = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "warmgate-external-"));
    folder = join(root, "m", "1");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(root, "secret"), "not yours");
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const check = (location: string, dataFiles?: readonly string[]) =>
    checkExternalData(join(folder, "model.onnx"), [{ tensor: "w", location }], dataFiles);
  const put = (name: string) => writeFileSync(join(folder, name), "weights");

  test("a file beside the model is allowed, however its name is written", async () => {
    put("weights.bin");
    await check("weights.bin", ["weights.bin"]);
    await check("./weights.bin", ["weights.bin"]);
    await check("weights.bin");
  });

  test("nothing outside the folder is, however the way there is written", async () => {
    for (const location of [
      "../../secret",
      "x/../../../secret",
      join(root, "secret"),
      "/etc/passwd",
      "C:\\secret",
      "..\\secret",
      "..",
    ]) {
      const refusal = /^Error: tensor 'w' is in a file outside the version's folder, which a model may not read$/;
      await assert.rejects(check(location), (error) => refusal.test(String(error)), location);
    }
  });

  test("a link that leads outside is followed and refused", async () => {
    symlinkSync(join(root, "secret"), join(folder, "weights.bin"));
    await assert.rejects(check("weights.bin", ["weights.bin"]), /outside the version's folder/);
  });

  test("links that stay within are allowed: a mounted volume has its files behind them", async () => {
    mkdirSync(join(folder, "..2026"));
    writeFileSync(join(folder, "..2026", "weights.bin"), "weights");
    symlinkSync("..2026", join(folder, "..data"));
    symlinkSync(join("..data", "weights.bin"), join(folder, "weights.bin"));
    await check("weights.bin", ["weights.bin"]);
  });

  test("a version's folder may itself be a link", async () => {
    put("weights.bin");
    symlinkSync(folder, join(root, "linked"));
    const references = [{ tensor: "w", location: "weights.bin" }];
    await checkExternalData(join(root, "linked", "model.onnx"), references, ["weights.bin"]);
  });

  test("a file that is not part of the version is refused: it would not be in its digest", async () => {
    put("other.onnx");
    await assert.rejects(check("other.onnx", []), /not beside the model in its version's folder/);
    mkdirSync(join(folder, "data"));
    put("data/weights.bin");
    await assert.rejects(check("data/weights.bin"), /not beside the model/);
    await assert.rejects(check("missing.bin"), /not beside the model/);
  });

  test("memory addresses, which the runtime writes as locations, are none", async () => {
    await assert.rejects(check("*/_ORT_MEM_ADDR_/*", ["weights.bin"]), /not beside the model/);
  });

  test("a folder is no data", async () => {
    mkdirSync(join(folder, "weights.bin"));
    await assert.rejects(check("weights.bin"), /not in a regular file/);
  });
});
