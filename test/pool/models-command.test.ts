/** The command line's view of models against a real pool and real files. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { perceptron } from "../support/onnx-builder.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { newSigningKey } from "../support/signing-client.ts";

const MAIN = new URL("../../infra/cli/main.ts", import.meta.url).pathname;

describe("warmgate models", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-models-command-"));
  const served = join(folder, "served");
  const keys = newSigningKey("test");
  const digits = join(TEST_MODELS.digits, "digits");
  let pool: PoolProcess;

  const put = (path: string, content: string | Uint8Array) => {
    const file = join(folder, path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, content);
    return file;
  };
  const run = async (...args: string[]) => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, "models", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, WARMGATE_POOL_URL: pool.url, POOL_SIGNING_KEYS: keys },
    });
    const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [out, noted, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { out, noted, code };
  };

  before(async () => {
    cpSync(digits, join(served, "digits"), { recursive: true });
    pool = await startPool({ models: [served], signingKeys: keys });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("ls has every version that a pool serves, with the memory that it took when it was tried", async () => {
    const { out, code } = await run("ls");
    assert.equal(code, 0);
    assert.match(out, /^digits +1 +READY +cpu +cpu +64 +[\d.]+ MiB +[0-9a-f]{16} +-$/m);
    assert.match(out, /^digits +2 +READY /m);
  });

  test("a file and the version that a pool serves of it are told alike", async () => {
    const [ofDisk, ofPool] = [
      await run("inspect", `${digits}@2`, "--json"),
      await run("inspect", "digits@2", "--json"),
    ];
    assert.deepEqual([ofDisk.code, ofPool.code], [0, 0]);
    const disk = JSON.parse(ofDisk.out);
    const { metadata, config } = JSON.parse(ofPool.out);
    const { inputs, outputs } = metadata;
    assert.deepEqual(disk.loaded.signature, { inputs, outputs });
    assert.equal(disk.loaded.maxBatch, config.max_batch_size);
    assert.equal(disk.digest, config.parameters.digest.string_value);
  });

  test("inspect of a file alone has what the file says of itself and what it took", async () => {
    const { out, code } = await run("inspect", put("alone.onnx", perceptron([4, 3])));
    assert.equal(code, 0);
    assert.match(out, /^opset +18$/m);
    assert.match(out, /^IR version +8$/m);
    assert.match(out, /^memory +[0-9.]+ MiB$/m);
    assert.match(out, /^max batch +64$/m);
    assert.match(out, /^input +input +FP32 +\[-1,4\]$/m);
  });

  test("inspect of a file that is only a part of a model is a refusal with the reason", async () => {
    const { out, noted, code } = await run("inspect", join(TEST_MODELS.hostile, "truncated"));
    assert.deepEqual([code, out], [1, ""]);
    assert.match(noted, /truncated version 1: .*only a part of one.* \(model_rejected\)/);
  });

  test("diff holds a file against what a pool serves", async () => {
    assert.equal((await run("diff", "digits@1", `${digits}@2`)).code, 0);
    const { out, code } = await run("diff", "digits", put("other.onnx", perceptron([4, 3])), "--json");
    assert.equal(code, 4);
    const { compatible, differences } = JSON.parse(out);
    assert.equal(compatible, false);
    assert.deepEqual(
      differences.map(({ kind, tensor }: { kind: string; tensor: string }) => `${kind} ${tensor}`),
      [
        "input_removed pixels",
        "input_added input",
        "output_removed label",
        "output_removed probabilities",
        "output_added output",
      ],
    );
  });

  test("validate names every fault of a folder at once", async () => {
    const model = perceptron([4, 3]);
    const sha256 = "0".repeat(64);
    put("broken/settings/model.json", JSON.stringify({ maxBatch: -1, unknown: true }));
    put("broken/settings/1/model.onnx", model);
    put("broken/damaged/1/model.onnx", model);
    put(
      "broken/damaged/1/manifest.json",
      JSON.stringify({ files: { "model.onnx": { sha256, size: 1 }, gone: { sha256, size: 1 } } }),
    );
    put("broken/damaged/2/model.onnx", model.subarray(0, 40));
    put("broken/misplaced/v1/model.onnx", model);
    put("broken/unfit/1/model.onnx", model);
    const step = { step: "normalise", tensor: "none" };
    put("broken/unfit/model.json", JSON.stringify({ pipeline: { before: [step], after: [step] } }));
    put("broken/sample/1/model.onnx", model);
    const input = { name: "input", datatype: "FP32", shape: [1, 5], data: [1, 2, 3, 4, 5] };
    put("broken/sample/model.json", JSON.stringify({ warmup: [{ inputs: [input] }] }));
    cpSync(join(TEST_MODELS.hostile, "external_escape"), join(folder, "broken", "escaping"), { recursive: true });
    const { out, code } = await run("validate", join(folder, "broken"), "--json");
    assert.equal(code, 1);
    const faults: { model: string; version?: string; check: string; reason: string }[] = JSON.parse(out).faults;
    const told = faults.map(({ model: name, version = "-", check }) => `${name} ${version} ${check}`);
    assert.deepEqual(told.sort(), [
      "damaged 1 manifest",
      "damaged 1 manifest",
      "damaged 2 probe",
      "escaping 1 external data",
      "misplaced - layout",
      "misplaced - layout",
      "sample 1 load",
      "settings - model.json",
      "settings - model.json",
      "unfit 1 pipeline",
      "unfit 1 pipeline",
    ]);
  });

  test("validate of what a pool serves finds nothing", async () => {
    const { out, noted, code } = await run("validate", served);
    assert.deepEqual([code, out, noted], [0, "Nothing is wrong: digits.\n", ""]);
  });

  test("unload and load take a model out of service and back, and say why one cannot be loaded", async () => {
    const unloaded = await run("unload", "digits");
    assert.equal(unloaded.code, 0);
    assert.match(unloaded.out, /^digits +1 +UNAVAILABLE +unloaded$/m);
    const loaded = await run("load", "digits");
    assert.deepEqual([loaded.code, loaded.noted], [0, ""]);
    assert.match(loaded.out, /^digits +2 +READY +-$/m);
    put("served/damaged/1/model.onnx", "no model");
    const refused = await run("load", "damaged");
    assert.equal(refused.code, 1);
    assert.match(refused.noted, /version 1: the file is no ONNX model.* \(model_rejected\)/);
    const unknown = await run("load", "digtis");
    assert.equal(unknown.code, 1);
    assert.match(unknown.noted, /Did you mean 'digits'\?/);
  });

  test("a key that is not the pool's is refused, and the advice says where it came from", async () => {
    const file = put("keys", newSigningKey("test"));
    const { noted, code } = await run("ls", "--url", pool.url, "--keys-file", file);
    assert.equal(code, 1);
    assert.match(noted, /\(invalid_signature\)\nThe first key in .*keys is none of this pool's/);
  });
});
