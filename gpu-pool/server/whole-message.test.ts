import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { readWholeMessage } from "./whole-message.ts";

const PLAIN =
  "POST /v2/models/m/infer HTTP/1.1\r\nHost: pool\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const read = (text: string) => readWholeMessage(Buffer.from(text, "latin1"));

describe("a whole message", () => {
  test("is read: target, headers by lower-case name, body", () => {
    const message = read(PLAIN);
    assert.equal(message?.target, "/v2/models/m/infer");
    assert.equal(message.headers.host, "pool");
    assert.equal(message.headers["content-type"], "application/json");
    assert.equal(Buffer.from(message.body).toString(), "{}");
  });

  const others: readonly (readonly [what: string, text: string])[] = [
    ["half a head", PLAIN.slice(0, 40)],
    ["half a body", PLAIN.slice(0, -1)],
    ["a body that is longer than it says", `${PLAIN}x`],
    ["two messages", PLAIN + PLAIN],
    ["another method", PLAIN.replace("POST", "GET")],
    ["another path", PLAIN.replace("/infer", "/ready")],
    ["another protocol version", PLAIN.replace("HTTP/1.1", "HTTP/1.0")],
    ["no host", PLAIN.replace("Host: pool\r\n", "")],
    ["no length", PLAIN.replace("Content-Length: 2\r\n", "")],
    ["two lengths", PLAIN.replace("Content-Length: 2\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n")],
    ["a length with a sign", PLAIN.replace("Length: 2", "Length: +2")],
    ["a length with a zero before it", PLAIN.replace("Length: 2", "Length: 02")],
    ["a chunked body", PLAIN.replace("Content-Length: 2", "Content-Length: 2\r\nTransfer-Encoding: chunked")],
    ["a compressed body", PLAIN.replace("Host", "Content-Encoding: gzip\r\nHost")],
    ["an expectation", PLAIN.replace("Host", "Expect: 100-continue\r\nHost")],
    ["a connection that is to end", PLAIN.replace("Host", "Connection: close\r\nHost")],
    ["a folded header", PLAIN.replace("Host: pool", "Host: pool\r\n more")],
    ["a space before a colon", PLAIN.replace("Host:", "Host :")],
    ["a bare line feed", PLAIN.replace("pool\r\n", "pool\n")],
    ["a control character", PLAIN.replace("pool", "po\x00ol")],
    ["__proto__ as a name", PLAIN.replace("Host", "__proto__: x\r\nHost")],
  ];
  for (const [what, text] of others) {
    test(`${what} is left to Node's parser`, () => assert.equal(read(text), undefined));
  }

  describe("beside Node's own parser", () => {
    const server = createServer({ keepAliveTimeout: 1 });
    before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
    after(() => server.close());

    /** What Node makes of the bytes; undefined when it refuses them. */
    async function node(bytes: Buffer): Promise<{ target: string; headers: object; body: string } | undefined> {
      const address = server.address();
      const socket = connect(typeof address === "object" && address ? address.port : 0, "127.0.0.1");
      const seen = Promise.withResolvers<{ target: string; headers: object; body: string } | undefined>();
      const onRequest = async (request: IncomingMessage) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        seen.resolve({
          target: request.url ?? "",
          headers: request.headers,
          body: Buffer.concat(chunks).toString("latin1"),
        });
      };
      server.once("request", onRequest);
      socket.once("close", () => seen.resolve(undefined));
      socket.on("error", () => undefined);
      socket.end(bytes);
      try {
        return await seen.promise;
      } finally {
        server.off("request", onRequest);
        socket.destroy();
      }
    }

    const name = fc.constantFrom(
      "Accept",
      "X-Request-Id",
      "Connection",
      "Inference-Header-Content-Length",
      "TE",
      "A_b",
      "x",
    );
    const value = fc.oneof(
      fc.constantFrom("keep-alive", "close", "7", " padded ", "a,b", ""),
      fc.string({ maxLength: 8 }),
    );
    const message = fc
      .tuple(
        fc.array(fc.tuple(name, value), { maxLength: 4 }),
        fc.string({ unit: "binary-ascii", maxLength: 20 }),
        fc.option(fc.tuple(fc.nat({ max: 160 }), fc.integer({ min: 0, max: 255 })), { nil: undefined }),
      )
      .map(([headers, body, flip]) => {
        const lines = headers.map(([key, text]) => `${key}: ${text}\r\n`).join("");
        const bytes = Buffer.from(
          `POST /v2/models/m/infer HTTP/1.1\r\nHost: pool\r\n${lines}Content-Length: ${body.length}\r\n\r\n${body}`,
          "latin1",
        );
        if (flip && flip[0] < bytes.length) bytes[flip[0]] = flip[1];
        return bytes;
      });

    test("what is taken is read as Node reads it", async () => {
      await fc.assert(
        fc.asyncProperty(message, async (bytes) => {
          const own = readWholeMessage(bytes);
          if (!own) return;
          const theirs = await node(bytes);
          assert.deepEqual(
            { target: own.target, headers: { ...own.headers }, body: Buffer.from(own.body).toString("latin1") },
            theirs && { ...theirs, headers: { ...theirs.headers } },
          );
        }),
        { numRuns: 400 },
      );
    });
  });
});
