import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import { readSettings } from "../settings.ts";
import type { ProviderCheck } from "./provider-check.ts";
import { usableSettings } from "./usable-settings.ts";

const MISSING: ProviderCheck = { kind: "unusable", reason: "libcudnn.so.9 is missing" };

function settings(provider: string, check: () => Promise<ProviderCheck>) {
  const given = ["--models", "models", "--pool-auth", "open", "--provider", provider];
  return usableSettings((...more) => readSettings([...given, ...more], {}), check);
}

describe("settings that can be used on a host", () => {
  test("are as they are given where the provider can be used", async () => {
    for (const provider of ["cuda", "prefer-cuda"]) {
      const { settings: usable, fellBack } = await settings(provider, async () => ({ kind: "usable" }));
      assert.deepEqual([usable.provider, usable.hardware, usable.slots, fellBack], ["cuda", "cuda", 1, undefined]);
    }
  });

  test("are those of a CPU, with the reason, where the provider is preferred and cannot be used", async () => {
    const { settings: usable, fellBack } = await settings("prefer-cuda", async () => MISSING);
    assert.deepEqual([usable.provider, usable.hardware, usable.slots], ["cpu", "cpu", availableParallelism()]);
    assert.equal(fellBack, "libcudnn.so.9 is missing");
  });

  test("are not to be had where the provider is required and cannot be used", async () => {
    await assert.rejects(
      settings("cuda", async () => MISSING),
      /--provider cuda cannot be used: libcudnn\.so\.9/,
    );
  });

  test("are those of a CPU without a check", async () => {
    const { settings: usable, fellBack } = await settings("cpu", () => assert.fail());
    assert.deepEqual([usable.provider, fellBack], ["cpu", undefined]);
  });
});
