import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { after, before, describe, test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { within } from "../../test/support/until.ts";
import { decompress, readBody } from "./request-body.ts";

const LIMIT = 1000;

describe("reading a body", () => {
  let server: Server;
  before(async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Sends chunks over a real connection; gives back what was read, or the code of the refusal. */
  async function read(
    chunks: readonly string[],
    headers: Record<string, string | number> = {},
    breakOff = false,
  ): Promise<string> {
    const address = server.address();
    assert.ok(typeof address === "object" && address);
    const received = once(server, "request");
    const caller = request({ port: address.port, host: "127.0.0.1", method: "POST", headers });
    caller.on("error", () => undefined);
    caller.flushHeaders();
    const [incoming, response]: [IncomingMessage, ServerResponse] = Object(await received);
    const body = (async () => readBody(incoming, LIMIT))().then(
      (bytes) => Buffer.from(bytes).toString(),
      (error: unknown) => (error instanceof WarmgateError ? error.code : String(error)),
    );
    for (const chunk of chunks) caller.write(chunk);
    if (breakOff) caller.destroy();
    else caller.end();
    const outcome = await within("the body", body);
    response.end();
    response.destroy();
    return outcome;
  }

  test("a body comes back whole, however it is cut into chunks", async () => {
    assert.equal(await read([]), "");
    assert.equal(await read(["abc"]), "abc");
    assert.equal(await read(["a", "bc".repeat(100), "ä"]), `a${"bc".repeat(100)}ä`);
  });

  test("a body of exactly the limit is read, one byte more is refused", async () => {
    assert.equal((await read(["x".repeat(LIMIT - 1), "y"])).length, LIMIT);
    assert.equal(await read(["x".repeat(LIMIT), "y"]), "body_too_large");
    assert.equal((await read(["x".repeat(LIMIT)], { "content-length": LIMIT })).length, LIMIT);
  });

  test("a body that says it is too large is refused before any of it has come", async () => {
    assert.equal(await read([], { "content-length": LIMIT + 1 }, true), "body_too_large");
  });

  test("a body that is cut off is refused", async () => {
    assert.equal(await read(["half"], { "content-length": 8 }, true), "invalid_request");
    assert.equal(await read(["half"], {}, true), "invalid_request");
  });
});

describe("decompressing a body", () => {
  const refusal = (body: Uint8Array, encoding: string) =>
    decompress(body, encoding, LIMIT).then(
      () => "none",
      (error: unknown) => (error instanceof WarmgateError ? error.code : String(error)),
    );

  test("gzip and deflate are undone, identity is left as it is", async () => {
    const body = Buffer.from("body".repeat(50));
    assert.deepEqual(await decompress(gzipSync(body), "gzip", LIMIT), body);
    assert.deepEqual(await decompress(deflateSync(body), " Deflate ", LIMIT), body);
    assert.equal(await decompress(body, "identity", LIMIT), body);
  });

  test("the limit holds for what comes out: exactly it is read, one byte more is refused", async () => {
    assert.equal((await decompress(gzipSync(Buffer.alloc(LIMIT)), "gzip", LIMIT)).length, LIMIT);
    assert.equal(await refusal(gzipSync(Buffer.alloc(LIMIT + 1)), "gzip"), "body_too_large");
  });

  test("a bomb is refused without being unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024), { level: 1 });
    const startedAt = performance.now();
    assert.equal(await refusal(bomb, "gzip"), "body_too_large");
    assert.ok(performance.now() - startedAt < 500);
  });

  test("data that is not what it says, or is cut off, is refused", async () => {
    for (const encoding of ["gzip", "deflate"]) {
      assert.equal(await refusal(Buffer.from("no"), encoding), "invalid_data");
      assert.equal(await refusal(new Uint8Array(0), encoding), "invalid_data");
    }
    assert.equal(await refusal(gzipSync("body").subarray(0, -4), "gzip"), "invalid_data");
  });

  test("other encodings are refused, several at once included", async () => {
    for (const encoding of ["br", "zstd", "gzip, gzip", "x"]) {
      assert.equal(await refusal(new Uint8Array(0), encoding), "unsupported_encoding");
    }
  });
});
