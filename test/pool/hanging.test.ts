/** A run that never ends, an event loop that stands still: the pool tells the truth, answers in time and comes back. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { childrenOf } from "../soak/pool-processes.ts";
import { call, fp32Request, type HttpReply, inferJson, post } from "../support/inference-call.ts";
import { ENDLESS, loopModel, loopRequest, putModel } from "../support/loop-model.ts";
import { isAlive, linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account } from "../support/pool-metrics.ts";
import { until, within } from "../support/until.ts";

const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(3));

describe("hanging", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-hanging-"));
  let pool: PoolProcess | undefined;
  const start = async (...args: string[]): Promise<PoolProcess> => {
    // Two slots, whatever the machine has: one hangs, one goes on.
    pool = await startPool({ models: [folder], arguments: ["--slots", "2", ...args] });
    return pool;
  };
  const hang = (own: PoolProcess, timeoutMs: number): Promise<HttpReply> =>
    post(`${own.url}/v2/models/loop/infer`, loopRequest(ENDLESS), { "x-warmgate-timeout-ms": String(timeoutMs) });
  const inFlight = (own: PoolProcess, count: number) =>
    until(`${count} requests in flight`, async () => (await account(own)).inFlight === count);
  const statusOf = (url: string) =>
    call(url).then(
      ({ status }) => status,
      () => 0,
    );

  before(() => {
    putModel(folder, "loop", 1, loopModel());
    linkModels(folder, join(TEST_MODELS.digits, "digits"));
  });
  afterEach(() => pool?.child.kill("SIGKILL"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("who waits for a run that hangs is told in time; others are answered; the process is replaced", async () => {
    const own = await start("--run-limit-ms", "1000", "--drain-ms", "5000");
    const { pid } = own.serving;
    const sentAt = performance.now();
    const hung = hang(own, 500);
    await inFlight(own, 1);
    assert.equal((await inferJson(own.url, "digits", DIGIT)).outputs.length, 2, "the other slot goes on");
    const reply = await hung;
    assert.equal(reply.status, 504);
    assert.equal(JSON.parse(reply.body.toString()).code, "deadline_exceeded");
    assert.ok(performance.now() - sentAt < 900, "later than its deadline and a little");
    assert.equal(await statusOf(`${own.url}/v2/health/live`), 200);

    await own.started(2);
    assert.equal(isAlive(pid), false);
    assert.match(own.output, /a run of model loop, version 1 has not ended after \d+ ms/);
    assert.match(own.output, /"signal":"SIGKILL","reason":"a run of model loop/);
    assert.equal(own.failure, undefined);
    assert.equal((await inferJson(own.url, "loop", loopRequest(2))).outputs.length, 1);
    assert.equal((await own.stop()).code, 0);
  });

  test("from the moment a hang is noticed the pool is not ready, and what can still be answered is", async () => {
    const own = await start("--run-limit-ms", "400", "--drain-ms", "20000");
    const { opsUrl, url } = own;
    const hung = hang(own, 3_000);
    await until("readiness to be off", async () => (await statusOf(`${opsUrl}/readyz`)) === 503);
    assert.equal(await statusOf(`${opsUrl}/livez`), 200);
    assert.equal(await statusOf(`${url}/v2/health/ready`), 0, "new connections are not taken any more");
    assert.equal((await hung).status, 504);
    await own.started(2);
    assert.equal(await statusOf(`${own.opsUrl}/readyz`), 200);
    assert.equal((await own.stop()).code, 0);
  });

  test("SIGTERM while a run hangs ends within the time to drain, and twice ends at once", async () => {
    for (const twice of [false, true]) {
      const own = await start("--drain-ms", "1500");
      const { pid } = own.serving;
      const answer = hang(own, 30_000).catch(() => undefined);
      await inFlight(own, 1);
      const toldAt = performance.now();
      own.child.kill("SIGTERM");
      await until("readiness to be off", async () => (await statusOf(`${own.opsUrl}/readyz`)) !== 200);
      if (twice) own.child.kill("SIGTERM");
      assert.equal((await within("the end", own.exit, 10_000)).code, 1);
      const tookMs = performance.now() - toldAt;
      assert.ok(twice ? tookMs < 1_400 : tookMs >= 1_400 && tookMs < 4_000, `${tookMs} ms`);
      assert.equal(isAlive(pid), false);
      await answer;
    }
  });

  test("a process whose event loop stands still is killed and replaced", async () => {
    const own = await start("--alive-limit-ms", "800");
    const { pid } = own.serving;
    process.kill(pid, "SIGSTOP");
    const stoppedAt = performance.now();
    await own.started(2);
    assert.ok(performance.now() - stoppedAt > 600, "it was not given its time");
    assert.equal(isAlive(pid), false);
    assert.match(own.output, /"reason":"its event loop stood still for 800 ms"/);
    await inferJson(own.url, "digits", DIGIT);
    assert.equal((await own.stop()).code, 0);
  });

  test("a process that stands still before it has said a word is killed and replaced", {
    skip: process.platform !== "linux",
  }, async () => {
    const own = await start("--start-limit-ms", "3000");
    const { pid } = own.serving;
    process.kill(pid, "SIGKILL");
    const second = await until("another process", () => childrenOf(own.child.pid ?? 0).find((other) => other !== pid));
    process.kill(second, "SIGSTOP");
    await own.started(2);
    assert.equal(isAlive(second), false);
    assert.match(own.output, /"reason":"it did not get as far as its first word in 3000 ms"/);
    assert.equal((await own.stop()).code, 0);
  });

  test("a process that stood still for less goes on", async () => {
    const own = await start("--alive-limit-ms", "4000");
    const { pid } = own.serving;
    process.kill(pid, "SIGSTOP");
    const answer = inferJson(own.url, "digits", DIGIT);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    process.kill(pid, "SIGCONT");
    assert.equal((await answer).outputs.length, 2);
    assert.equal(own.starts.length, 1);
    assert.equal((await own.stop()).code, 0);
  });
});
