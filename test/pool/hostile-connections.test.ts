/** What reaches the pool's port need not be HTTP, nor finished, nor in good faith. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { fp32Request, inferJson } from "../support/inference-call.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account, scrape } from "../support/pool-metrics.ts";
import { RawConnection, type RawReply, rawExchange } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";

const INFER = "/v2/models/digits/infer";
const LIMIT = 64 * 1024;
const DIGIT = JSON.stringify(fp32Request("pixels", [1, 64], new Array(64).fill(0)));

function assertRefused({ status, headers, body }: RawReply, wanted: number, code: string): void {
  assert.equal(status, wanted, body);
  assert.equal(headers.get("content-type"), "application/json");
  const refusal = JSON.parse(body);
  assert.equal(refusal.code, code);
  assert.match(refusal.request_id, /^[\w.-]{1,64}$/);
  assert.equal(headers.get("x-request-id"), refusal.request_id);
}

describe("hostile connections", () => {
  let pool: PoolProcess;
  const send = (text: string) => rawExchange(pool.serving.port, text);
  const head = (line: string, ...headers: string[]) => [line, "host: pool", ...headers, "", ""].join("\r\n");

  before(async () => {
    pool = await startPool({ models: [TEST_MODELS.digits], arguments: ["--max-body-bytes", String(LIMIT)] });
  });
  after(async () => {
    assert.equal(pool.starts.length, 1, "the serving process died on the way");
    assert.equal((await pool.stop()).code, 0);
    assert.doesNotMatch(pool.output, /unhandled|uncaught|MaxListeners/i);
  });

  test("both content-length and transfer-encoding: refused, so nothing can be smuggled", async () => {
    const text = head(`POST ${INFER} HTTP/1.1`, "content-length: 4", "transfer-encoding: chunked");
    assertRefused(await send(`${text}0\r\n\r\n`), 400, "invalid_request");
  });

  for (const length of ["-1", "1e3", "abc", "0x10", "5, 6", "18446744073709551616", ""]) {
    test(`content-length '${length}' is refused`, async () => {
      assertRefused(await send(head(`POST ${INFER} HTTP/1.1`, `content-length: ${length}`)), 400, "invalid_request");
    });
  }

  test("two different content-lengths are refused", async () => {
    const text = head(`POST ${INFER} HTTP/1.1`, "content-length: 2", "content-length: 3");
    assertRefused(await send(`${text}{}x`), 400, "invalid_request");
  });

  test("a header with a line break of its own, a NUL or no colon is refused", async () => {
    for (const bad of ["x-a: b\rc: d", "x-a: \0", "no colon", " folded: x", "x a: b"]) {
      assertRefused(await send(head("GET /v2 HTTP/1.1", bad)), 400, "invalid_request");
    }
  });

  test("headers beyond 32 KiB are refused", async () => {
    assertRefused(await send(head("GET /v2 HTTP/1.1", `x-a: ${"a".repeat(40_000)}`)), 431, "headers_too_large");
  });

  test("more headers than Node keeps are refused or passed over, never fatal", async () => {
    const many = Array.from({ length: 2500 }, (_, index) => `a${index}: 1`);
    assert.ok([200, 431].includes((await send(head("GET /v2 HTTP/1.1", ...many))).status));
  });

  test("a URL beyond 2 KiB is refused", async () => {
    assertRefused(await send(head(`GET /v2/${"a".repeat(3000)} HTTP/1.1`)), 414, "uri_too_long");
  });

  test("what is not HTTP is refused", async () => {
    for (const bytes of ["\x16\x03\x01\x02\x00\x01\x00", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0"]) {
      assertRefused(await send(bytes), 400, "invalid_request");
    }
  });

  test("TRACE and made-up methods are refused, CONNECT is cut off, an upgrade is not taken up", async () => {
    assertRefused(await send(head("TRACE /v2 HTTP/1.1")), 405, "method_not_allowed");
    assertRefused(await send(head("BREW /v2 HTTP/1.1")), 400, "invalid_request");
    const connection = await RawConnection.open(pool.serving.port);
    connection.write(head("CONNECT db:5432 HTTP/1.1"));
    await connection.ended();
    connection.close();
    const upgrade = head("GET /v2 HTTP/1.1", "connection: upgrade", "upgrade: websocket");
    assert.equal((await send(upgrade)).status, 200);
  });

  test("an expectation other than 100-continue does not keep a request from its answer", async () => {
    const reply = await send(head("GET /v2/nothing HTTP/1.1", "expect: 200-maybe"));
    assertRefused(reply, 404, "not_found");
  });

  test("100-continue is sent for a body that is wanted", async () => {
    const connection = await RawConnection.open(pool.serving.port);
    const text = head(`POST ${INFER} HTTP/1.1`, `content-length: ${DIGIT.length}`, "expect: 100-continue");
    connection.write(text);
    assert.equal((await connection.reply()).status, 100);
    connection.write(DIGIT);
    assert.equal((await connection.reply()).status, 200);
    connection.close();
  });

  test("100-continue is not sent for a body that is too large", async () => {
    const text = head(`POST ${INFER} HTTP/1.1`, `content-length: ${LIMIT + 1}`, "expect: 100-continue");
    assertRefused(await send(text), 413, "body_too_large");
  });

  test("a body declared too large is refused before it is sent, and the connection ends", async () => {
    const connection = await RawConnection.open(pool.serving.port);
    connection.write(head(`POST ${INFER} HTTP/1.1`, `content-length: ${LIMIT + 1}`));
    const reply = await connection.reply();
    assertRefused(reply, 413, "body_too_large");
    assert.equal(reply.headers.get("connection"), "close");
    await connection.ended();
    connection.close();
  });

  test("a chunked body is cut at the first byte beyond the limit", async () => {
    const connection = await RawConnection.open(pool.serving.port);
    connection.write(head(`POST ${INFER} HTTP/1.1`, "transfer-encoding: chunked"));
    connection.write(`${LIMIT.toString(16)}\r\n${" ".repeat(LIMIT)}\r\n`);
    connection.write("1\r\n \r\n");
    assertRefused(await connection.reply(), 413, "body_too_large");
    await connection.ended();
    connection.close();
  });

  for (const framing of ["declared", "chunked"] as const) {
    test(`a caller that sends all of a large ${framing} body before it listens still gets the refusal`, async () => {
      const size = 8 * 1024 * 1024;
      const call = request(`${pool.url}${INFER}`, {
        method: "POST",
        headers: framing === "declared" ? { "content-length": size } : {},
      });
      const written = once(call, "finish");
      const answered = once(call, "response");
      call.end(Buffer.alloc(size, " "));
      await written;
      const [response] = await answered;
      assert.equal(response.statusCode, 413);
      response.resume();
      await once(response, "end");
    });
  }

  test("a body that breaks off is no request", async () => {
    const before = await until("the requests of earlier tests to be over", async () => {
      const now = await account(pool);
      return now.inFlight === 0 && now;
    });
    const connection = await RawConnection.open(pool.serving.port);
    connection.write(`${head(`POST ${INFER} HTTP/1.1`, "content-length: 100")}{`);
    await until("the request to arrive", async () => (await account(pool)).inFlight === 1);
    connection.close();
    const last = await until("the request to be given up", async () => {
      const now = await account(pool);
      return now.inFlight === 0 && now;
    });
    assert.equal(last.ok, before.ok);
    assert.equal(last.cancelled, before.cancelled + 1);
  });

  test("a chunk that is not one ends the connection with one answer", async () => {
    const connection = await RawConnection.open(pool.serving.port);
    connection.write(`${head(`POST ${INFER} HTTP/1.1`, "transfer-encoding: chunked")}zz\r\n`);
    assertRefused(await connection.reply(), 400, "invalid_request");
    await connection.ended();
    await assert.rejects(connection.reply(), "a second answer");
    connection.close();
  });

  test("callers that stay after a refusal do not keep their connections", async () => {
    const openFiles = async () => (await scrape(pool)).get("process_open_fds") ?? 0;
    const before = await openFiles();
    const callers = await Promise.all(Array.from({ length: 20 }, () => RawConnection.open(pool.serving.port)));
    for (const caller of callers) caller.write("nonsense\r\n\r\n");
    for (const caller of callers) assert.equal((await caller.reply()).status, 400);
    await until("the pool to let go of the connections", async () => (await openFiles()) < before + 10);
    for (const caller of callers) caller.close();
  });

  test("pipelined requests are answered in order", async () => {
    const connection = await RawConnection.open(pool.serving.port);
    const infer = `${head(`POST ${INFER} HTTP/1.1`, `content-length: ${DIGIT.length}`)}${DIGIT}`;
    const ask = (id: number) => head(`GET /v2/health/live HTTP/1.1`, `x-request-id: live-${id}`);
    connection.write(infer.replace("host: pool", "host: pool\r\nx-request-id: infer-0"));
    connection.write([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(ask).join(""));
    const ids = [(await connection.reply()).headers.get("x-request-id")];
    for (let count = 1; count <= 12; count++) ids.push((await connection.reply()).headers.get("x-request-id"));
    assert.deepEqual(ids, ["infer-0", ...Array.from({ length: 12 }, (_, index) => `live-${index + 1}`)]);
    connection.close();
  });

  test("HEAD gets the headers of GET and no body", async () => {
    const connection = await RawConnection.open(pool.serving.port);
    connection.write(head("HEAD /v2 HTTP/1.1") + head("GET /v2 HTTP/1.1", "connection: close"));
    await connection.ended();
    connection.close();
  });

  test("duplicated headers are refused where they matter", async () => {
    const text = head(
      `POST ${INFER} HTTP/1.1`,
      `content-length: ${DIGIT.length}`,
      `inference-header-content-length: ${DIGIT.length}`,
      `inference-header-content-length: 5`,
    );
    assertRefused(await send(text + DIGIT), 400, "invalid_header_length");
  });

  test("after all of this the pool still answers and nothing is in flight", async () => {
    const { outputs } = await inferJson(pool.url, "digits", JSON.parse(DIGIT));
    assert.equal(outputs.length, 2);
    await until("nothing in flight", async () => (await account(pool)).inFlight === 0);
  });
});
