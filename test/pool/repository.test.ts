/** Models come, change and go while the pool serves; nothing that happens to a file hurts who is being served. */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { call, fp32Request, type HttpReply, inferJson, post } from "../support/inference-call.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account } from "../support/pool-metrics.ts";

const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));
const HOSTILE = ["empty", "random_bytes", "truncated", "not_a_model", "unknown_operator", "unknown_domain"].concat([
  "future_opset",
  "external_escape",
  "external_absolute",
  "external_missing",
  "cycle",
  "short_weights",
]);

describe("the repository", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-repository-"));
  let pool: PoolProcess;
  const control = (model: string, verb: "load" | "unload", body: unknown = {}): Promise<HttpReply> =>
    post(`${pool.url}/v2/repository/models/${model}/${verb}`, body);
  const index = async (): Promise<{ name: string; version: string; state: string; reason: string }[]> =>
    JSON.parse((await post(`${pool.url}/v2/repository/index`, {})).body.toString());
  const stateOf = async (name: string) => (await index()).filter((entry) => entry.name === name);
  const digits = (version: number) => join(TEST_MODELS.digits, "digits", String(version), "model.onnx");
  /** Puts a file in place in one step, as a careful upload does. */
  const put = (source: string, ...path: string[]) => {
    const target = join(folder, ...path);
    mkdirSync(join(target, ".."), { recursive: true });
    copyFileSync(source, `${target}.part`);
    renameSync(`${target}.part`, target);
  };

  before(async () => {
    put(digits(1), "digits", "1", "model.onnx");
    pool = await startPool({ models: [folder] });
  });
  after(async () => {
    assert.equal(pool.starts.length, 1, "the serving process died on the way");
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a new version is loaded on request and answers from then on", async () => {
    put(digits(2), "digits", "2", "model.onnx");
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "1");
    assert.equal((await control("digits", "load")).status, 200);
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "2");
    assert.equal((await inferJson(pool.url, "digits/versions/1", DIGIT)).model_version, "1");
  });

  test("a corrupt file in a version's place is refused with the reason, and the version that serves goes on", async () => {
    writeFileSync(join(folder, "digits", "2", "model.onnx"), "this is no model");
    const reply = await control("digits", "load");
    assert.equal(reply.status, 400);
    const { code, error } = JSON.parse(reply.body.toString());
    assert.equal(code, "model_rejected");
    assert.match(error, /failed to load 'digits', version 2: /);
    assert.ok(!error.includes(folder));
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "2");
    assert.deepEqual(
      (await stateOf("digits")).map(({ state }) => state),
      ["READY", "READY"],
    );
    put(digits(2), "digits", "2", "model.onnx");
    assert.equal((await control("digits", "load")).status, 200);
  });

  test("a version that has gone from the disk is taken out of service", async () => {
    rmSync(join(folder, "digits", "2"), { recursive: true });
    assert.equal((await control("digits", "load")).status, 200);
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "1");
    assert.equal(
      (await stateOf("digits")).find(({ version }) => version === "2"),
      undefined,
    );
  });

  test("an unloaded model is not ready, in the index as unavailable, and comes back with a load", async () => {
    assert.equal((await control("digits", "unload")).status, 200);
    const refused = await post(`${pool.url}/v2/models/digits/infer`, DIGIT);
    assert.equal(refused.status, 503);
    assert.equal(JSON.parse(refused.body.toString()).code, "model_not_ready");
    assert.deepEqual(new Set((await stateOf("digits")).map(({ state }) => state)), new Set(["UNAVAILABLE"]));
    assert.equal((await call(`${pool.url}/v2/models/digits/ready`)).status, 503);
    assert.equal((await control("digits", "load")).status, 200);
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "1");
  });

  test("the index can be limited to what is ready", async () => {
    const ready = JSON.parse((await post(`${pool.url}/v2/repository/index`, { ready: true })).body.toString());
    assert.deepEqual(ready, [{ name: "digits", version: "1", state: "READY", reason: "" }]);
  });

  test("a model that is not on disk cannot be loaded or unloaded", async () => {
    for (const verb of ["load", "unload"] as const) {
      const reply = await control("nothing", verb);
      assert.equal(reply.status, 404);
      assert.match(JSON.parse(reply.body.toString()).error, /^Request for unknown model/);
    }
  });

  test("models in the request itself are refused, not ignored", async () => {
    const reply = await control("digits", "load", { parameters: { "file:1/model.onnx": "aGk=" } });
    assert.equal(reply.status, 501);
  });

  test("every hostile model is refused without a path in the reason, and the pool goes on serving", async () => {
    for (const name of HOSTILE) cpSync(join(TEST_MODELS.hostile, name), join(folder, name), { recursive: true });
    for (const name of HOSTILE) {
      const reply = await control(name, "load");
      assert.equal(reply.status, 400, name);
      const { code, error } = JSON.parse(reply.body.toString());
      assert.equal(code, "model_rejected", name);
      assert.doesNotMatch(error, /\/\w+\/|\.cc:|root:x/, name);
      assert.equal((await stateOf(name))[0]?.state, "UNAVAILABLE");
      assert.equal((await post(`${pool.url}/v2/models/${name}/infer`, DIGIT)).status, 503);
    }
    await inferJson(pool.url, "digits", DIGIT);
    assert.equal((await call(`${pool.url}/v2/health/ready`)).status, 200);
  });

  test("a model that wants more memory than there is fails its own requests only", async () => {
    cpSync(join(TEST_MODELS.hostile, "huge_constant"), join(folder, "huge_constant"), { recursive: true });
    await control("huge_constant", "load");
    const metadata = await call(`${pool.url}/v2/models/huge_constant`);
    if (metadata.status === 200) {
      const [input] = JSON.parse(metadata.body.toString()).inputs;
      const shape = input.shape.map((size: number) => (size === -1 ? 1 : size));
      const data = new Array(shape.reduce((product: number, size: number) => product * size, 1)).fill(1);
      const request = { inputs: [{ ...input, shape, data }] };
      const reply = await post(`${pool.url}/v2/models/huge_constant/infer`, request);
      assert.equal(JSON.parse(reply.body.toString()).code, "model_failed");
    }
    await inferJson(pool.url, "digits", DIGIT);
  });

  test("a model replaced again and again under load fails no request", async () => {
    const before = await account(pool);
    let going = true;
    let answered = 0;
    const caller = async () => {
      while (going) {
        await inferJson(pool.url, "digits", DIGIT);
        answered++;
      }
    };
    const callers = Promise.all([caller(), caller(), caller(), caller()]);
    for (let turn = 0; turn < 8; turn++) {
      put(digits(turn % 2 === 0 ? 2 : 1), "digits", "1", "model.onnx");
      assert.equal((await control("digits", "load")).status, 200);
    }
    going = false;
    await callers;
    const now = await account(pool);
    assert.ok(answered > 8, "there was no load");
    assert.equal(now.failed + now.rejected + now.cancelled, before.failed + before.rejected + before.cancelled);
  });

  test("loads and unloads of one model at once end in one state, with the pool serving", async () => {
    const changes = Array.from({ length: 10 }, (_, turn) => control("digits", turn % 2 === 0 ? "unload" : "load"));
    for (const reply of await Promise.all(changes)) assert.equal(reply.status, 200, reply.body.toString());
    assert.equal((await inferJson(pool.url, "digits", DIGIT)).model_version, "1");
  });
});
