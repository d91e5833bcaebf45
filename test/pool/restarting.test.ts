/** What the supervisor does when a serving process dies, and when it cannot be started at all. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, test } from "node:test";
import { putDigits } from "../soak/reload-under-load.ts";
import { fp32Request, inferJson } from "../support/inference-call.ts";
import { isAlive, PoolProcess, type Serving, startPool, TEST_MODELS } from "../support/pool.ts";
import { until, within } from "../support/until.ts";

const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(0));
const EXIT_MISCONFIGURED = 78;

describe("restarting", () => {
  const noModels = mkdtempSync(join(tmpdir(), "warmgate-restarting-"));
  let pool: PoolProcess | undefined;
  afterEach(() => pool?.child.kill("SIGKILL"));
  after(() => rmSync(noModels, { recursive: true, force: true }));
  const start = (...args: string[]): PoolProcess => {
    pool = new PoolProcess({ models: [noModels], arguments: args });
    return pool;
  };

  test("a serving process that is killed is replaced and answers again within three seconds", async () => {
    const own = await startPool({ models: [TEST_MODELS.digits] });
    pool = own;
    await inferJson(own.url, "digits", DIGIT);
    const killedAt = performance.now();
    process.kill(own.serving.pid, "SIGKILL");
    await own.started(2);
    const tookMs = performance.now() - killedAt;
    await inferJson(own.url, "digits", DIGIT);
    assert.ok(tookMs < 3_000, `${tookMs} ms`);
    assert.equal((await own.stop()).code, 0);
  });

  test("models that the one before has found good are not tried again, and those that have changed are", async () => {
    const folder = mkdtempSync(join(tmpdir(), "warmgate-tried-"));
    try {
      putDigits(folder, 1);
      const own = await startPool({ models: [folder] });
      pool = own;
      const trials = () => own.output.match(/"msg":"model probed"/g)?.length;
      assert.equal(trials(), 1);
      process.kill(own.serving.pid, "SIGKILL");
      await own.started(2);
      assert.equal(trials(), 1);
      putDigits(folder, 2);
      process.kill(own.serving.pid, "SIGKILL");
      await own.started(3);
      assert.equal(trials(), 2);
      await inferJson(own.url, "digits", DIGIT);
      await own.stop();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("a serving process that keeps dying is given up with the reason", async () => {
    const own = start();
    let last: Serving | undefined;
    for (let death = 1; death <= 5; death++) {
      last = await own.started(death);
      process.kill(last.pid, "SIGSEGV");
    }
    const exit = await within("the supervisor to give up", own.exit);
    assert.equal(exit.code, EXIT_MISCONFIGURED);
    assert.match(own.failure ?? "", /died 5 times within a minute/);
    assert.equal(isAlive(last!.pid), false);
  });

  test("a stop that comes before a serving process listens for it ends in order all the same", async () => {
    const own = start();
    for (const death of [1, 2]) process.kill((await own.started(death)).pid, "SIGKILL");
    await until("the second death to be noticed", () => own.output.match(/serving process died/g)?.length === 2);
    assert.equal((await own.stop()).code, 0);
  });

  test("a serving process that hangs is killed soon after its drain limit", async () => {
    const own = start("--drain-ms", "100");
    const { pid } = await own.started(1);
    process.kill(pid, "SIGSTOP");
    const toldAt = performance.now();
    assert.equal((await own.stop()).code, 1);
    assert.ok(performance.now() - toldAt < 10_000);
    assert.equal(isAlive(pid), false);
  });

  for (const option of ["--port", "--ops-port"]) {
    test(`a taken ${option} is named, and not tried again`, async () => {
      const holder = createServer().listen(0, "127.0.0.1");
      await once(holder, "listening");
      const address = holder.address();
      assert.ok(typeof address === "object" && address);
      const own = start(option, String(address.port));
      assert.equal((await within("the end", own.exit)).code, EXIT_MISCONFIGURED);
      assert.match(own.output, new RegExp(`port ${address.port} is taken by another program`));
      assert.match(own.failure ?? "", /cannot start as it is configured/);
      assert.equal(own.output.match(/is taken/g)?.length, 1);
      holder.close();
    });
  }

  test("options that are wrong are all named at once, and not tried again", async () => {
    const own = start("--provider", "tpu", "--max-body-bytes", "1");
    assert.equal((await within("the end", own.exit)).code, EXIT_MISCONFIGURED);
    assert.match(own.output, /--provider: /);
    assert.match(own.output, /--max-body-bytes: /);
  });

  test("a model folder that is not there is named", async () => {
    const own = start("--models", "no/such/folder");
    assert.equal((await within("the end", own.exit)).code, EXIT_MISCONFIGURED);
    assert.match(own.output, /the folder \S*no\/such\/folder is not there/);
  });
});
