import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { readCredentials } from "./credentials.ts";
import { parseModelSource, type RemoteSource } from "./model-source.ts";

const source = (text: string): RemoteSource => {
  const parsed = parseModelSource(text);
  assert.ok(parsed.kind !== "folder");
  return parsed;
};
const HTTP = source("https://models.example/");
const S3 = source("s3://bucket?region=auto");
const KEYS = { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG" };

describe("a source's credentials", () => {
  test("are those of its kind, or none", () => {
    const environment = { ...KEYS, WARMGATE_MODELS_TOKEN: "token" };
    assert.equal(readCredentials(HTTP, environment).kind, "bearer");
    assert.equal(readCredentials(S3, environment).kind, "aws");
    assert.equal(readCredentials(HTTP, KEYS).kind, "none");
    assert.equal(readCredentials(S3, { WARMGATE_MODELS_TOKEN: "token", AWS_SESSION_TOKEN: "" }).kind, "none");
  });

  test("half a pair of keys is a mistake", () => {
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) {
      assert.throws(() => readCredentials(S3, { ...KEYS, [name]: "" }), { reason: "misconfigured", message: /both/ });
    }
  });

  test("that would break out of a header are refused without being shown", () => {
    for (const value of ["a\r\nx: y", "with space", "\u00fc"]) {
      for (const read of [
        () => readCredentials(HTTP, { WARMGATE_MODELS_TOKEN: value }),
        () => readCredentials(S3, { ...KEYS, AWS_SECRET_ACCESS_KEY: value }),
        () => readCredentials(S3, { ...KEYS, AWS_SESSION_TOKEN: value }),
      ]) {
        assert.throws(read, (error: Error) => !error.message.includes(value));
      }
    }
  });

  test("show themselves nowhere", () => {
    const credentials = readCredentials(S3, { ...KEYS, AWS_SESSION_TOKEN: "session" });
    for (const text of [JSON.stringify(credentials), inspect(credentials, { depth: 9, showHidden: true })]) {
      assert.ok(!text.includes("wJalr") && !text.includes('"session"'), text);
    }
    assert.ok(credentials.kind === "aws" && `${credentials.secretAccessKey}` === "(secret)");
  });
});
