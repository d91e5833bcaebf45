import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { after, before, describe, test } from "node:test";
import { type Announcement, announcementSchema } from "../../shared/protocol/pool-node.ts";
import { parseSigningKeys } from "../../shared/protocol/signing.ts";
import { newSigningKey } from "../../test/support/signing-client.ts";
import { SignatureAuthenticator } from "../server/authenticate.ts";
import { EdgeConnection } from "./edge-connection.ts";

const KEYS = newSigningKey("k1");
const SECRET = KEYS.slice(KEYS.indexOf(":") + 1);
const WORD: Announcement = {
  url: "http://127.0.0.1:8000",
  leaving: false,
  status: {
    ...{ node: "a", process: "process-1", startedAt: 1, sequence: 1, device: "cpu", hardware: "cpu", provider: "cpu" },
    ...{ ready: true, catalogue: "0".repeat(32), load: { waitMs: 0, admissionLevel: 0, slots: 1 } },
  },
};
const ANSWER = { modelsWanted: false, everyMs: 500 };

describe("the connection to the edge", () => {
  let edge: Server;
  let serve: RequestListener;
  let origin = "";
  let requests = 0;
  let connections = 0;
  before(async () => {
    edge = createServer((request, response) => {
      requests++;
      serve(request, response);
    }).on("connection", () => connections++);
    edge.listen(0, "127.0.0.1");
    await once(edge, "listening");
    const address = edge.address();
    assert.ok(typeof address === "object" && address);
    origin = `http://127.0.0.1:${address.port}`;
  });
  after(() => {
    edge.close();
    edge.closeAllConnections();
  });
  const connect = () => new EdgeConnection(origin, parseSigningKeys(KEYS)[0]);
  const answer = (status: number, body: string, headers: Record<string, string> = {}) => {
    serve = (request, response) => {
      request.resume().once("end", () => response.writeHead(status, headers).end(body));
    };
  };

  test("words come whole and signed, each for one use, over one connection", async () => {
    const signatures = new SignatureAuthenticator(parseSigningKeys(KEYS), Date.now, (reason) => assert.fail(reason));
    const words: unknown[] = [];
    serve = async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      const { method = "", url = "", headers } = request;
      const signed = signatures.authenticate({ method, target: url, headers }, body);
      words.push([method, url, headers["content-type"], signed.tenant, signed.maxRows, signed.timeoutMs]);
      words.push(announcementSchema.parse(JSON.parse(body.toString())));
      response.end(JSON.stringify(ANSWER));
    };
    const connection = connect();
    connections = 0;
    for (let count = 0; count < 2; count++) {
      assert.deepEqual(await connection.deliver(WORD), { kind: "answered", answer: ANSWER });
    }
    const sent = ["POST", "/pool/announcements", "application/json", "", 0, 2_000];
    assert.deepEqual(words, [sent, WORD, sent, WORD]);
    assert.equal(connections, 1);
  });

  test("a redirect is not followed", async () => {
    requests = 0;
    answer(307, "", { location: "/elsewhere" });
    assert.equal((await connect().deliver(WORD)).kind, "refused");
    assert.equal(requests, 1);
  });

  test("a 401 says what to look at and shows no secret", async () => {
    answer(401, '{"code":"invalid_signature"}');
    const delivery = await connect().deliver(WORD);
    assert.ok(delivery.kind === "refused");
    assert.match(delivery.reason, /401.*invalid_signature.*POOL_SIGNING_KEYS.*clocks/);
    assert.ok(!delivery.reason.includes(SECRET));
  });

  test("what is not an answer is not taken for one", async () => {
    for (const body of [
      "",
      "{",
      "[]",
      '{"modelsWanted":true}',
      '{"modelsWanted":true,"everyMs":1}',
      "x".repeat(70_000),
    ]) {
      answer(200, body);
      const delivery = await connect().deliver(WORD);
      assert.ok(delivery.kind === "unreadable", body.slice(0, 40));
      assert.ok(delivery.reason.length < 400);
    }
  });

  test("an edge that does not answer is given up after 2 s; one that is not there, at once", async () => {
    serve = () => undefined;
    const startedAt = performance.now();
    assert.equal((await connect().deliver(WORD)).kind, "timeout");
    const waitedMs = performance.now() - startedAt;
    assert.ok(waitedMs >= 1_990 && waitedMs < 6_000, `${waitedMs}`);
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const address = closed.address();
    assert.ok(typeof address === "object" && address);
    await new Promise((resolve) => closed.close(resolve));
    const gone = new EdgeConnection(`http://127.0.0.1:${address.port}`, parseSigningKeys(KEYS)[0]);
    const delivery = await gone.deliver(WORD);
    assert.ok(delivery.kind === "unreachable");
    assert.match(delivery.reason, /ECONNREFUSED/);
  });
});
