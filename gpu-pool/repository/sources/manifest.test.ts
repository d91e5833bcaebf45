import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseManifest } from "./manifest.ts";

const SHA = "a".repeat(64);
const FILE = { sha256: SHA, size: 3 };
const whole = (models: unknown) => JSON.stringify({ models });
const withFiles = (files: unknown) => whole({ m: { modelJson: null, versions: { 1: { files } } } });
const fault = (text: string): string => {
  try {
    parseManifest(text);
  } catch (error) {
    assert.equal((error as { reason?: string }).reason, "bad_manifest");
    return (error as Error).message;
  }
  return "none";
};

describe("a manifest", () => {
  test("says where each file is, how long and with which digest", () => {
    const modelJson = { path: "m/model.json", ...FILE };
    const files = { "model.onnx": FILE, "model.onnx_data": { ...FILE, size: 2 ** 33 } };
    const model = parseManifest(whole({ m: { modelJson, versions: { 12: { files } } } })).get("m");
    assert.deepEqual(model?.modelJson, { ...modelJson, etag: undefined });
    assert.deepEqual(
      [...(model?.versions.get("12") ?? [])],
      [
        ["model.onnx", { ...FILE, path: "m/12/model.onnx", etag: undefined }],
        ["model.onnx_data", { ...FILE, size: 2 ** 33, path: "m/12/model.onnx_data", etag: undefined }],
      ],
    );
    assert.equal(parseManifest('{"models":{}}').size, 0);
  });

  test("is refused with all that is wrong with it at once", () => {
    const text = fault(
      whole({
        "../up": { modelJson: null, versions: { 1: { files: { "model.onnx": FILE } } } },
        a: { modelJson: { path: "../x", sha256: "AB", size: -1 }, versions: {} },
        b: { versions: { v1: { files: { "model.onnx": FILE } } }, extra: 1 },
        c: { modelJson: null, versions: { 1: { files: { "weights.bin": { ...FILE, size: 1.5 } } } } },
      }),
    );
    for (const part of [
      ...[
        "models.../up: is not a name",
        "a.modelJson.path",
        "a.modelJson.sha256",
        "a.modelJson.size",
        "a.versions: must have",
      ],
      ...[
        "b.modelJson",
        "versions.v1: is not a version",
        "extra",
        "c.versions.1.files: must have model.onnx",
        "weights.bin.size",
      ],
    ]) {
      assert.ok(text.includes(part), `${part} is not in: ${text}`);
    }
  });

  test("never names a file outside of its version", () => {
    for (const name of [
      ...[
        "../model.onnx",
        "a/b",
        "a\\b",
        "..",
        ".",
        "",
        ".hidden",
        "a..b",
        "C:x",
        "a\0b",
        "a ",
        "a.",
        "\u00e9",
        "x".repeat(201),
      ],
    ]) {
      assert.match(fault(withFiles({ "model.onnx": FILE, [name]: FILE })), /is not a name/, JSON.stringify(name));
    }
    for (const path of [
      "/m/model.json",
      "m//model.json",
      "m/../model.json",
      "m/./x",
      "http://x/y",
      "m/model.json?x",
      "m%2f..",
      "",
    ]) {
      const modelJson = { path, ...FILE };
      const text = whole({ m: { modelJson, versions: { 1: { files: { "model.onnx": FILE } } } } });
      assert.match(fault(text), /modelJson\.path/, path);
    }
  });

  test("has no files in the versions of an ensemble, which has a model.json", () => {
    const versions = { 1: { files: {} } };
    const modelJson = { ...FILE, path: "m/model.json" };
    assert.equal(
      parseManifest(whole({ m: { modelJson, versions } }))
        .get("m")
        ?.versions.get("1")?.size,
      0,
    );
    assert.match(fault(whole({ m: { modelJson: null, versions } })), /models\.m: must have a modelJson/);
  });

  test("has model.onnx in every version", () => {
    assert.match(fault(withFiles({ "other.onnx": FILE })), /must have model\.onnx/);
  });

  test("of thousands of faults tells some, and how many more there are", () => {
    const files = Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`f${at}`, {}]));
    const text = fault(withFiles(files));
    assert.match(text, /and \d+ more faults$/);
    assert.ok(text.length < 5_000);
  });

  test("has bounds", () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, FILE]));
    assert.match(fault(withFiles({ "model.onnx": FILE, ...many(1_000) })), /at most 1000 entries/);
    assert.match(fault(withFiles({ "model.onnx": { ...FILE, size: 2 ** 50 } })), /size/);
  });

  test("is read or refused, whatever is sent: no name reaches an object's prototype", () => {
    for (const text of ["", "{", "[]", "null", "3", '{"models":[]}', '{"models":{"__proto__":{}}}', "{}"]) fault(text);
    assert.match(fault(withFiles({ "model.onnx": FILE })), /none/);
    const hidden = withFiles({ "model.onnx": FILE, PROTO: FILE }).replace("PROTO", "__proto__");
    assert.match(fault(hidden), /__proto__/);
    assert.equal(fault('{"models":{"constructor":{"modelJson":null,"versions":{}}}}').includes("must have"), true);
    fc.assert(fc.property(fc.json(), (text) => assert.notEqual(fault(text), undefined)));
  });
});
