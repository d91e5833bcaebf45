/** New artefacts are tried in a process that may be lost. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Prober, type ProberOptions } from "../../gpu-pool/repository/probe/prober.ts";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { endlessModel, greedyModel, loopModel } from "../support/loop-model.ts";
import { isAlive, TEST_MODELS } from "../support/pool.ts";
import { probeChildOf } from "../support/probe-child.ts";
import { LONGEST_LENGTH, reverseModel, reverseRequest } from "../support/reverse-model.ts";
import { until } from "../support/until.ts";

const MIB = 1024 ** 2;
/** What is looked up in /proc. */
const LINUX = { skip: process.platform !== "linux" };
const DIGITS = join(TEST_MODELS.digits, "digits", "2", "model.onnx");

describe("trying an artefact", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-prober-"));
  let prober: Prober;
  const start = (options: Partial<ProberOptions> = {}) => {
    const log = { info: () => undefined };
    prober = new Prober({ limitMs: 30_000, memoryLimitBytes: () => 512 * MIB, log, ...options });
  };
  const put = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, `${name}.onnx`), bytes);
    return join(folder, `${name}.onnx`);
  };
  const probe = (file: string, digest = file) =>
    prober.probe({
      ...{ model: "m", version: "1", digest, sample: undefined },
      settings: { file, dataFiles: [], provider: "cpu", deviceId: 0, computeThreads: 1 },
    });
  const childPid = () => until("a process to try it in", () => probeChildOf(process.pid));
  /** Ends the process while it is busy with the endless model, as a fault of ONNX Runtime would. */
  const crash = async (): Promise<number> => {
    const pid = await childPid();
    // It has to be in the run, not on its way there: an endless run is what takes its time.
    await until("the run to go on", () => cpuSeconds(pid) > 1.2);
    process.kill(pid, "SIGSEGV");
    await until("the process to be gone", () => probeChildOf(process.pid) !== pid);
    return pid;
  };
  afterEach(async () => {
    prober.close();
    await until("the process to be gone", () => probeChildOf(process.pid) === undefined);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("one that is good is reported with its signature, versions, memory and times", async () => {
    start();
    const report = await probe(DIGITS);
    assert.deepEqual(
      report.signature.inputs.map(({ name, datatype, shape }) => [name, datatype, shape]),
      [["pixels", "FP32", [-1, 64]]],
    );
    assert.equal(report.irVersion, 8);
    assert.deepEqual(report.opsets, { "": 17 });
    assert.ok(report.memoryBytes < 200 * MIB && report.loadMs < 10_000 && (report.runMs ?? 0) > 0);
  });

  test("its memory is that of the model, not that of the process", async () => {
    start();
    const small = await probe(DIGITS);
    const large = await probe(put("large", greedyModel(30 * MIB)));
    assert.ok(large.memoryBytes > small.memoryBytes + 100 * MIB, `${large.memoryBytes} bytes`);
  });

  test("a declared sample outside the declared ranges is not run, and is the reason", async () => {
    start();
    const [input] = decodeInferenceRequest(Buffer.from(JSON.stringify(reverseRequest(5))), null).inputs;
    const settings = { file: put("reverse", reverseModel()), provider: "cpu" as const, deviceId: 0, computeThreads: 1 };
    const ranges = { lengths: { min: 0, max: LONGEST_LENGTH } };
    const subject = { model: "m", version: "1", digest: "outside", settings: { ...settings, ranges } };
    await assert.rejects(prober.probe({ ...subject, sample: input && [input] }), {
      code: "model_rejected",
      message: "a warm-up sample of model.json fails: input 'lengths' has 5 at element 0; the model takes 0 to 4",
    });
  });

  test("one that has passed is not tried again", async () => {
    start();
    const report = await probe(DIGITS, "digest");
    assert.equal(await probe(join(folder, "gone.onnx"), "digest"), report);
  });

  test("one that has failed is tried again", async () => {
    start();
    const file = put("mended", new Uint8Array([1, 2, 3]));
    await assert.rejects(probe(file, "digest"), { code: "model_rejected" });
    put("mended", loopModel());
    assert.equal((await probe(file, "digest")).irVersion, 8);
  });

  test("a run that does not end is cut off and named as such; the next one is tried in a new process", async () => {
    start({ limitMs: 4_000 });
    await assert.rejects(probe(put("endless", endlessModel())), {
      code: "model_rejected",
      message: /^it was not loaded( and run once)? within 4 s$/,
    });
    assert.equal((await probe(DIGITS)).irVersion, 8);
  });

  test("more memory than there is ends the process before the machine has none left", async () => {
    start({ memoryLimitBytes: () => 200 * MIB });
    await assert.rejects(probe(put("greedy", greedyModel(512 * MIB))), {
      code: "model_rejected",
      message: /^it takes more memory than there is: over \d{3} of 200 MiB$/,
    });
    assert.equal((await probe(DIGITS)).irVersion, 8);
  });

  test("a crash is named with its signal, and costs that artefact alone", LINUX, async () => {
    start();
    const endless = probe(put("endless", endlessModel()));
    const next = probe(DIGITS);
    const refused = assert.rejects(endless, {
      code: "model_rejected",
      message: "it brings down the process that runs it (SIGSEGV)",
    });
    await crash();
    await refused;
    assert.equal((await next).irVersion, 8);
  });

  test(
    "a crash in a process that has tried others before is not blamed on the last one until it happens again",
    LINUX,
    async () => {
      start();
      await probe(DIGITS);
      const endless = probe(put("endless", endlessModel()));
      const refused = assert.rejects(endless, { message: /SIGSEGV/ });
      const first = await crash();
      const second = await crash();
      assert.notEqual(first, second);
      await refused;
    },
  );

  test("several are tried one at a time in one process", async () => {
    start();
    const files = ["a", "b", "c", "d"].map((name) => put(name, loopModel()));
    const reports = Promise.all(files.map((file) => probe(file)));
    const pid = await childPid();
    await reports;
    assert.equal(probeChildOf(process.pid), pid);
  });

  test("what the process holds is given back when it is asked for, after what is being tried", async () => {
    start();
    const first = probe(put("first", loopModel()));
    const pid = await childPid();
    const released = prober.release();
    const second = probe(put("second", greedyModel(8)));
    await first;
    await released;
    assert.equal(isAlive(pid), false);
    await second;
  });

  test("the process knows no key and no credential of the pool", LINUX, async () => {
    process.env.POOL_SIGNING_KEYS = "k1:secret";
    process.env.AWS_SECRET_ACCESS_KEY = "secret";
    start();
    await probe(DIGITS);
    delete process.env.POOL_SIGNING_KEYS;
    delete process.env.AWS_SECRET_ACCESS_KEY;
    const environment = readFileSync(`/proc/${await childPid()}/environ`, "utf8");
    assert.match(environment, /PATH=/);
    assert.doesNotMatch(environment, /POOL_SIGNING_KEYS|AWS_/);
  });

  test("closing refuses what is being tried, without blame, and leaves no process behind", async () => {
    start();
    const endless = probe(put("endless", endlessModel()));
    const refused = assert.rejects(endless, { code: "draining", retryAfterSeconds: 1 });
    await childPid();
    prober.close();
    await refused;
    await assert.rejects(probe(DIGITS), { code: "draining", retryAfterSeconds: 1 });
  });
});

/** A program that starts the process in which artefacts are tried, says its number, and dies `afterMs` later without a word. */
const DYING_ASKER = `
  const { fork } = require("node:child_process");
  const [file, afterMs] = process.argv.slice(1);
  const child = fork(file, [], { stdio: ["ignore", "ignore", "ignore", "ipc"], execArgv: [], serialization: "advanced" });
  require("node:fs").writeSync(1, String(child.pid));
  setTimeout(() => process.kill(process.pid, "SIGKILL"), Number(afterMs));
`;
const PROBE_CHILD = fileURLToPath(new URL("../../gpu-pool/repository/probe/probe-child.ts", import.meta.url));

test("the process ends when who asked for it is killed, however early", LINUX, async () => {
  // While it starts, in steps that are shorter than any part of its start.
  const moments = Array.from({ length: 12 }, (_, index) => index * 12);
  for (const afterMs of moments) {
    const asker = spawnSync(process.execPath, ["-e", DYING_ASKER, PROBE_CHILD, String(afterMs)], { encoding: "utf8" });
    assert.equal(asker.signal, "SIGKILL");
    const pid = Number(asker.stdout);
    assert.ok(pid > 0);
    await until(`the process to end whose asker died after ${afterMs} ms`, () => !isAlive(pid));
  }
});

/** Processor time of a process so far: it grows while a run goes on. */
function cpuSeconds(pid: number): number {
  const [, ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const numbers = fields.join(") ").split(" ");
  return (Number(numbers[11]) + Number(numbers[12])) / 100;
}
