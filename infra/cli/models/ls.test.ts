import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DIGEST, SCRIPTED, typedTo } from "./scripted-pool.ts";

describe("models ls", () => {
  test("has all versions: where those that are ready run and what they take, and why the others are not", async (context) => {
    const { code, printed } = await typedTo(context, "ls", SCRIPTED);
    assert.equal(code, 0);
    const [, first = "", second = ""] = printed.split("\n");
    assert.match(first, /^digits +1 +UNAVAILABLE +- +- +- +- +- +unloaded$/);
    assert.match(second, /^digits +2 +READY +cuda:0 +cuda +64 +3 MiB +0123456789abcdef +-$/);
  });

  test("--json has whole digests and numbers", async (context) => {
    const { printed } = await typedTo(context, "ls --json", SCRIPTED);
    const { versions } = JSON.parse(printed);
    assert.deepEqual(versions[0], { name: "digits", version: "1", state: "UNAVAILABLE", reason: "unloaded" });
    assert.equal(versions[1].digest, DIGEST);
    assert.equal(versions[1].memoryBytes, 3 * 2 ** 20);
  });
});
