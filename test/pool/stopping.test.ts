/** How the pool stops: in order, at once when told twice, and never leaving anything behind. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { call, post } from "../support/inference-call.ts";
import { isAlive, type PoolOptions, PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account } from "../support/pool-metrics.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { addSlowModel, QUICK_REQUEST, SLOW_REQUEST } from "../support/slow-model.ts";
import { until, within } from "../support/until.ts";

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  assert.ok(typeof address === "object" && address);
  return address.port;
}

describe("stopping", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-stopping-"));
  let pool: PoolProcess | undefined;
  const start = async (options: Partial<PoolOptions> = {}): Promise<PoolProcess> => {
    pool = await startPool({ models: [folder], ...options });
    return pool;
  };
  const inFlight = (of: PoolProcess, count: number) =>
    until(`${count} requests in flight`, async () => (await account(of)).inFlight === count);

  before(() => addSlowModel(folder));
  afterEach(() => pool?.child.kill("SIGKILL"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("SIGTERM: what was taken in is answered, new connections are refused, exit code 0, nothing left", async () => {
    const own = await start();
    const { pid } = own.serving;
    const url = `${own.url}/v2/models/slow/infer`;
    const plain = { "accept-encoding": "identity" };
    const answers = [SLOW_REQUEST, SLOW_REQUEST, QUICK_REQUEST].map((body) => post(url, body, plain));
    await inFlight(own, 3);
    const stopped = own.stop();
    const refused = await until("new connections to be refused", () =>
      RawConnection.open(own.serving.port).then(
        (connection) => void connection.close(),
        (error: NodeJS.ErrnoException) => error,
      ),
    );
    // Reset: it was waiting to be accepted when the port was closed.
    assert.match(refused.code ?? "", /^(ECONNREFUSED|ECONNRESET)$/);
    for (const answer of await Promise.all(answers)) {
      assert.equal(answer.status, 200);
      assert.equal(answer.body.byteLength, Number(answer.headers.get("content-length")));
    }
    assert.deepEqual(await stopped, { code: 0, signal: null });
    assert.equal(isAlive(pid), false);
  });

  test("while it drains, an open connection is told that the pool is stopping, and readiness is off", async () => {
    const own = await start();
    const slow = post(`${own.url}/v2/models/slow/infer`, SLOW_REQUEST);
    const connection = await RawConnection.open(own.serving.port);
    // Half a request, so that the connection is not idle when the pool stops.
    connection.write("POST /v2/models/slow/infer HTTP/1.1\r\nhost: pool\r\ncontent-length: 2\r\n\r\n{");
    await inFlight(own, 2);
    const stopped = own.stop();
    await until("readiness to be off", async () => (await call(`${own.opsUrl}/readyz`)).status === 503);
    connection.write("}");
    const reply = await connection.reply();
    assert.equal(reply.status, 503);
    assert.equal(JSON.parse(reply.body).code, "draining");
    assert.equal(reply.headers.get("retry-after"), "1");
    assert.equal(reply.headers.get("connection"), "close");
    assert.equal((await slow).status, 200);
    assert.equal((await stopped).code, 0);
    connection.close();
  });

  test("pipelined requests whose caller has left neither stay in flight nor hold up the end", async () => {
    const own = await start();
    const before = await account(own);
    const body = JSON.stringify(SLOW_REQUEST);
    const connection = await RawConnection.open(own.serving.port);
    const request = `POST /v2/models/slow/infer HTTP/1.1\r\nhost: pool\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    connection.write(request.repeat(3));
    await inFlight(own, 3);
    connection.close();
    await inFlight(own, 0);
    // A pool's rehearsal before it is ready is counted as well.
    const expected = { ...before, received: before.received + 3, cancelled: 3 };
    assert.deepEqual(await account(own), expected);
    assert.equal((await own.stop()).code, 0);
  });

  test("SIGTERM twice ends the pool without waiting for what runs", async () => {
    const own = await start();
    const { pid } = own.serving;
    const url = `${own.url}/v2/models/slow/infer`;
    const answers = [1, 2, 3, 4, 5, 6, 7, 8].map(() => post(url, SLOW_REQUEST));
    const settled = Promise.allSettled(answers);
    await inFlight(own, 8);
    own.child.kill("SIGTERM");
    await until("the pool to drain", async () => (await call(`${own.opsUrl}/readyz`)).status === 503);
    own.child.kill("SIGTERM");
    const exit = await within("the end", own.exit, 10_000);
    assert.equal(exit.code, 1);
    assert.equal(isAlive(pid), false);
    assert.ok((await settled).some(({ status }) => status === "rejected"));
  });

  test("a serving process that cannot drain in time is ended, and says so", async () => {
    const own = await start({ arguments: ["--drain-ms", "50"] });
    const url = `${own.url}/v2/models/slow/infer`;
    const answers = Promise.allSettled([1, 2, 3, 4].map(() => post(url, SLOW_REQUEST)));
    await inFlight(own, 4);
    assert.equal((await own.stop()).code, 1);
    assert.match(own.output, /not drained in time/);
    await answers;
  });

  test("SIGTERM while models are loading ends in order", async () => {
    const own = new PoolProcess({ models: [TEST_MODELS.basic] });
    pool = own;
    await until("the first model", () => own.output.includes("model ready"));
    assert.deepEqual(await own.stop(), { code: 0, signal: null });
    assert.equal(own.starts.length, 0, "it must not become ready after it was told to stop");
  });

  test("SIGTERM while the only model is loading: the pool does not say that it is ready after that", async () => {
    const opsPort = await freePort();
    const own = new PoolProcess({ models: [folder], arguments: ["--ops-port", String(opsPort)] });
    pool = own;
    await until("the load to begin", async () => {
      const reply = await call(`http://127.0.0.1:${opsPort}/readyz`).catch(() => undefined);
      return reply?.status === 503;
    });
    assert.deepEqual(await own.stop(), { code: 0, signal: null });
    assert.deepEqual(own.starts, []);
  });

  test("when the supervisor is killed, the serving process ends too", async () => {
    const own = await start({ models: [TEST_MODELS.digits] });
    const { pid } = own.serving;
    own.child.kill("SIGKILL");
    await own.exit;
    await until("the serving process to be gone", () => !isAlive(pid));
  });

  test("when the program that started the supervisor goes, everything ends", async () => {
    const own = await start({ models: [TEST_MODELS.digits] });
    const { pid } = own.serving;
    own.child.disconnect();
    assert.equal((await within("the end", own.exit)).code, 0);
    assert.equal(isAlive(pid), false);
  });
});
