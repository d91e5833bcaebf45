import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { checkModelName, isModelName, isModelVersion } from "./model-name.ts";

describe("model names", () => {
  for (const name of ["m", "resnet-50", "bert.base_v2", "0", "a".repeat(64)]) {
    test(`takes ${name.slice(0, 20)}`, () => assert.ok(isModelName(name)));
  }
  for (const name of [
    "",
    ".",
    "..",
    "a..b",
    "-a",
    "_a",
    "a/b",
    "a\\b",
    "a b",
    "a\n",
    "a\0",
    "é",
    "%2e",
    "a".repeat(65),
  ]) {
    test(`refuses ${JSON.stringify(name.slice(0, 20))}`, () => assert.ok(!isModelName(name)));
  }
  test("no name can leave a folder or need escaping in a URL or header", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        if (isModelName(text)) assert.ok(encodeURIComponent(text) === text && !text.includes(".."));
      }),
    );
  });
});

describe("model versions", () => {
  for (const version of ["1", "42", "999999999"]) test(`takes ${version}`, () => assert.ok(isModelVersion(version)));
  for (const version of ["", "0", "01", "-1", "1.0", "latest", "1\n", "1000000000"]) {
    test(`refuses ${JSON.stringify(version)}`, () => assert.ok(!isModelVersion(version)));
  }
});

describe("checkModelName", () => {
  test("takes a name without a version", () => assert.doesNotThrow(() => checkModelName("m")));
  test("refuses a bad name or version without repeating it", () => {
    for (const [name, version] of [["<b>"], ["m", "<b>"]] as const) {
      assert.throws(
        () => checkModelName(name, version),
        (error: Error) => "code" in error && error.code === "invalid_model_name" && !error.message.includes("<b>"),
      );
    }
  });
});
