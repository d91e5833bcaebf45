/** A process that is short of memory, of its event loop or of descriptors sheds in stages, lives on and recovers. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { call, fp32Request, type HttpReply, inferJson, post } from "../support/inference-call.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account, scrape } from "../support/pool-metrics.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";

const INFER = "/v2/models/digits/infer";
const DIGIT = fp32Request("pixels", [1, 64], new Array(64).fill(0));
const MIB = 1024 ** 2;
const REFUSING = 5;
const RECOVERY_MS = 30_000;

const figure = async (pool: PoolProcess, name: string) => (await scrape(pool)).get(name) ?? Number.NaN;
const stageOf = (pool: PoolProcess) => figure(pool, "warmgate_pool_overload_stage");
const residentBytes = (pool: PoolProcess) => figure(pool, "process_resident_memory_bytes");
const live = (pool: PoolProcess) => call(`${pool.url}/v2/health/live`);

function assertShed({ status, headers, body }: HttpReply): void {
  assert.equal(status, 503, body.toString());
  assert.equal(JSON.parse(body.toString()).code, "overloaded");
  assert.match(headers.get("retry-after") ?? "", /^[1-9]$/);
}

/** A pool that is stopped when the test is over, however that ends. */
async function poolFor(t: TestContext, ...given: readonly string[]): Promise<PoolProcess> {
  const pool = await startPool({ models: [TEST_MODELS.digits], arguments: given });
  t.after(() => pool.stop());
  return pool;
}

/** Waits for the pool to be as at first, in the process `pid`. */
async function assertRecovers(pool: PoolProcess, pid: number): Promise<void> {
  await until("the stage to be normal", async () => (await stageOf(pool)) === 0, RECOVERY_MS);
  assert.equal((await inferJson(pool.url, "digits", DIGIT)).outputs.length, 2);
  await until("nothing in flight", async () => (await account(pool)).inFlight === 0);
  assert.equal(pool.serving.pid, pid, "the serving process died on the way");
  assert.equal((await pool.stop()).code, 0);
  assert.doesNotMatch(pool.output, /unhandled|uncaught/i);
}

/** The stages that the log says were left, in order, since the last time one was raised. */
function stagesLeft(pool: PoolProcess): string[] {
  const since = pool.output.slice(pool.output.lastIndexOf("overload stage raised"));
  return [...since.matchAll(/"from":"(\w+)","to":"\w+".*"overload stage lowered"/g)].map((line) => line[1] ?? "");
}

/** The head of an inference request of `length` bytes, and nothing of its body. */
const headOf = (length: number) => `POST ${INFER} HTTP/1.1\r\nhost: pool\r\ncontent-length: ${length}\r\n\r\n`;

describe("overload stages", () => {
  test("memory that runs short: refused before a body is read, health answered, normal again stage by stage", async (t) => {
    const probe = await poolFor(t);
    const atRest = await residentBytes(probe);
    await probe.stop();
    const limit = Math.round(atRest / 0.55);
    const pool = await poolFor(t, "--memory-limit-bytes", String(limit));
    const { pid, port } = pool.serving;
    // Callers that send bodies and do not end them: what they have sent is held, and nothing else happens.
    const holders: RawConnection[] = [];
    while ((await stageOf(pool)) < REFUSING && holders.length < 64) {
      const holder = await RawConnection.open(port);
      holder.write(headOf(32 * MIB));
      holder.write(Buffer.alloc(12 * MIB, " "));
      holders.push(holder);
      await delay(100);
    }
    assert.equal(await stageOf(pool), REFUSING);

    assertShed(await post(`${pool.url}${INFER}`, DIGIT));
    const unread = await RawConnection.open(port);
    unread.write(headOf(32 * MIB));
    assert.equal((await unread.reply()).status, 503);
    const healthy = await live(pool);
    assert.deepEqual([healthy.status, healthy.headers.get("connection")], [200, "close"]);
    const [first] = holders;
    first?.write("x");
    assert.equal((await first?.reply())?.status, 503, "a body on its way is given up");
    assert.ok((await figure(pool, 'warmgate_pool_shed_total{class="unread"}')) >= 3);

    for (const connection of [...holders, unread]) connection.close();
    await assertRecovers(pool, pid);
    assert.deepEqual(stagesLeft(pool), ["refusing", "critical_only", "shed_sheddable", "closing", "lean"]);
  });

  test("an event loop kept busy by large JSON bodies: load is shed, health answered, normal again", async (t) => {
    const pool = await poolFor(t);
    const { pid } = pool.serving;
    // Eight of them take any machine's loop more than the 300 ms from which `batch` is refused.
    const size = 16 * MIB;
    const large = Buffer.from(JSON.stringify(fp32Request("pixels", [1, size / 4], new Array(size / 4).fill(0.5))));
    let flooding = true;
    t.after(() => {
      flooding = false;
    });
    const statuses = new Set<number>();
    const flood = Array.from({ length: 8 }, async () => {
      while (flooding) {
        const reply = await call(`${pool.url}${INFER}`, { method: "POST", body: large }).catch(() => undefined);
        if (reply) statuses.add(reply.status);
      }
    });
    const shed = await until("a request to be shed", async () => {
      assert.equal((await live(pool)).status, 200);
      const reply = await post(`${pool.url}${INFER}`, { ...Object(DIGIT), parameters: { priority: 4 } });
      return reply.status === 503 && reply;
    });
    assertShed(shed);
    assert.equal((await live(pool)).status, 200);
    flooding = false;
    await Promise.all(flood);
    assert.ok(
      [...statuses].every((status) => status === 400 || status === 503),
      [...statuses].join(),
    );
    await assertRecovers(pool, pid);
  });

  test("descriptors that run out: unused connections are let go, both ports answer, nothing spins or dies", {
    skip: process.platform !== "linux",
  }, async (t) => {
    const pool = await poolFor(t);
    // The next serving process inherits the supervisor's limit.
    execFileSync("prlimit", ["--pid", String(pool.child.pid), "--nofile=256:256"]);
    process.kill(pool.serving.pid, "SIGKILL");
    const { pid, port } = await pool.started(2);
    const callers: Socket[] = [];
    for (let count = 0; count < 400; count++) {
      const caller = connect({ port, host: "127.0.0.1" });
      caller.on("error", () => undefined);
      caller.once("connect", () => caller.write("GET /v2 HTTP/1.1\r\nhost: pool\r\n\r\n"));
      callers.push(caller.resume());
    }
    await Promise.all(callers.map((caller) => Promise.race([once(caller, "connect"), once(caller, "close")])));
    await until("the stage to rise", async () => (await stageOf(pool)) > 0);
    await until("health to be answered", () =>
      live(pool).then(
        (reply) => reply.status === 200,
        () => false,
      ),
    );
    assert.equal((await fetch(`${pool.opsUrl}/livez`)).status, 200);
    const busy = await figure(pool, "process_cpu_seconds_total");
    await delay(1_000);
    assert.ok((await figure(pool, "process_cpu_seconds_total")) - busy < 0.5, "the process spins");
    for (const caller of callers) caller.destroy();
    await assertRecovers(pool, pid);
  });
});
