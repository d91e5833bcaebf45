/** What an HTTP library would not send to the edge (faults.md C); the same of the pool is in test/pool/hostile-connections.test.ts. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RawConnection, type RawReply, rawExchange } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";
import { FaultStand } from "./pieces/fault-stand.ts";
import { jsonContent } from "./pieces/json-content.ts";
import { toldIn } from "./pieces/told.ts";

const MOST_BODY_BYTES = 16 * 1024 * 1024;
const PATH = "/v2/models/identity_fp32/infer";

function envelope(data: string, shape = "[1,2]"): string {
  return `{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":${shape},"data":${data}}]}`;
}

describe("the edge, asked by a client that means no good", () => {
  let stand: FaultStand;
  let port = 0;
  let key = "";
  before(async () => {
    stand = await FaultStand.start();
    await stand.fakeNode("a");
    port = Number(new URL(stand.edgeUrl).port);
    key = stand.keyOf("acme");
  });
  after(() => stand.stop());

  const head = (lines: readonly string[], target = PATH, method = "POST") =>
    [`${method} ${target} HTTP/1.1`, "host: edge", `authorization: Bearer ${key}`, ...lines, "", ""].join("\r\n");
  const send = (body: string, lines: readonly string[] = [], target = PATH, method = "POST"): Promise<RawReply> =>
    rawExchange(port, head([...lines, `content-length: ${Buffer.byteLength(body)}`], target, method) + body);
  const isServed = async () => {
    assert.equal(toldIn(await stand.ask()), "200");
    assert.deepEqual(await stand.broken(), []);
  };

  test("C2: a chunked body is cut at its limit, and nothing is kept of it", async () => {
    // A reset on unread bytes may overtake the refusal (RFC 9112, 9.6): it is to be seen once, and nothing else ever.
    let reply: RawReply | undefined;
    for (let attempt = 0; attempt < 5 && !reply; attempt++) reply = await sendTooMuch();
    assert.equal(reply?.status, 413, reply?.body);
    await isServed();
  });

  /** @returns undefined when the connection was reset before the reply was read */
  async function sendTooMuch(): Promise<RawReply | undefined> {
    const connection = await RawConnection.open(port);
    const { socket } = connection;
    connection.write(head(["content-type: application/json", "transfer-encoding: chunked"]));
    const chunk = Buffer.alloc(1024 * 1024, 0x20);
    let sent = 0;
    // No more than a chunk ahead of what is read, so that this process does not hold what the edge should refuse.
    while (!connection.over && sent <= MOST_BODY_BYTES + 8 * chunk.length && socket.bytesRead === 0) {
      connection.write(`${chunk.length.toString(16)}\r\n`);
      connection.write(chunk);
      connection.write("\r\n");
      sent += chunk.length;
      await until(
        "the edge to take it",
        () => connection.over || socket.bytesRead > 0 || socket.writableLength < chunk.length,
      );
    }
    assert.ok(sent > MOST_BODY_BYTES, `cut after ${sent} bytes`);
    const reply = await connection.reply().catch(() => undefined);
    assert.ok(reply || connection.over);
    connection.close();
    return reply;
  }

  test("C3: a body that is longer or shorter than it says is nobody else's request", async () => {
    const smuggled = "GET /admin/v1/tenants HTTP/1.1\r\nhost: edge\r\n\r\n";
    const longer = await RawConnection.open(port);
    longer.write(`${head(["content-type: application/json", "content-length: 2"])}{}${smuggled}`);
    assert.equal((await longer.reply()).status, 400);
    // What follows stands for itself, without the key of the one before it.
    assert.equal((await longer.reply()).status, 401);
    longer.close();
    const shorter = await RawConnection.open(port);
    shorter.write(`${head(["content-type: application/json", "content-length: 500"])}{}`);
    shorter.socket.end();
    await shorter.ended();
    shorter.close();
    for (const framing of [
      "content-length: 4\r\ntransfer-encoding: chunked",
      "content-length: 4\r\ncontent-length: 5",
    ]) {
      const reply = await rawExchange(port, `${head([framing])}0\r\n\r\n`).catch(() => undefined);
      assert.ok(reply === undefined || (reply.status >= 400 && reply.status < 500), `${reply?.status} for ${framing}`);
    }
    await isServed();
  });

  test("C6: numbers, texts and objects of absurd size take time in proportion", async () => {
    const bodies = [
      envelope(`[1,${"9".repeat(4_000_000)}]`),
      `{"id":"${"x".repeat(4_000_000)}","inputs":[]}`,
      `{${Array.from({ length: 200_000 }, (_, count) => `"k${count}":1`).join()}}`,
      `{"parameters":{${'"a":1,'.repeat(200_000)}"b":1},"inputs":[]}`,
      `{"inputs":${"[".repeat(1_000_000)}`,
    ];
    for (const body of bodies) {
      const startedAt = performance.now();
      const { status } = await send(body, ["content-type: application/json"]);
      assert.equal(status, 400, body.slice(0, 40));
      assert.ok(performance.now() - startedAt < 3_000, `${performance.now() - startedAt} ms for ${body.slice(0, 40)}`);
    }
    await isServed();
  });

  test("C13: texts that look alike and are not are kept apart, in the cache as well", async () => {
    const ask = async (text: string) => {
      const input = { name: "INPUT0", datatype: "BYTES", shape: [1, 1], data: [text] };
      const body = JSON.stringify({ inputs: [input] });
      const reply = await send(body, ["content-type: application/json"], "/v2/models/identity_string/infer");
      assert.equal(reply.status, 200, reply.body);
      return JSON.stringify(jsonContent(reply.body)).includes(JSON.stringify([text]));
    };
    for (const text of ["é", "e\u0301", "\u{1f600}", "a\0b", "\ufeffa", "a"])
      assert.ok(await ask(text), JSON.stringify(text));
    const lone = await send(
      '{"inputs":[{"name":"INPUT0","datatype":"BYTES","shape":[1,1],"data":["\\ud800"]}]}',
      [],
      "/v2/models/identity_string/infer",
    );
    assert.ok(lone.status === 400 || lone.status === 200, `${lone.status}`);
    await isServed();
  });

  test("C14: names that JSON could poison objects with change nothing", async () => {
    const poison = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},';
    const { status, body } = await send(envelope("[1,2]").replace("{", poison), ["content-type: application/json"]);
    assert.ok(status === 200 || status === 400, body);
    assert.doesNotMatch(body, /polluted/);
    await isServed();
  });

  test("C15: a line break in a header or a name comes back nowhere", async () => {
    for (const [target, line] of [
      ["/v2/models/a%0d%0ax-injected:%201/infer", ""],
      [PATH, "x-request-id: a\rx-injected: 1"],
      [PATH, "x-request-id: a%0d%0ax-injected: 1"],
      [PATH, "x-warmgate-hardware: a\nx-injected: 1"],
      [PATH, "x-note: a\0b"],
    ] as const) {
      const reply = await send(envelope("[1,2]"), line === "" ? [] : [line], target).catch(() => undefined);
      if (!reply) continue;
      assert.ok(reply.status < 500, `${reply.status} for ${line}`);
      assert.equal(reply.headers.get("x-injected"), undefined);
    }
    await isServed();
  });

  test("C17: an address or headers beyond all measure are refused", async () => {
    const long = await send(envelope("[1,2]"), [], `/v2/models/${"m".repeat(20_000)}/infer`);
    assert.ok([400, 404, 414].includes(long.status), `${long.status}`);
    for (const lines of [
      [`x-note: ${"h".repeat(150_000)}`],
      Array.from({ length: 5_000 }, (_, count) => `x-${count}: 1`),
    ]) {
      const reply = await send(envelope("[1,2]"), lines).catch(() => undefined);
      assert.ok(
        reply === undefined || reply.status === 200 || (reply.status >= 400 && reply.status < 500),
        `${reply?.status}`,
      );
    }
    const twice = await send(envelope("[1,2]"), [`authorization: Bearer ${key}`]);
    assert.ok(twice.status === 401 || twice.status === 400, `${twice.status}`);
    await isServed();
  });

  test("C19: TRACE, CONNECT, an upgrade, a range and an expectation are answered with sense, or cut off", async () => {
    const statuses: Record<string, number> = {};
    const tryOut = async (what: string, reply: Promise<RawReply>) => {
      statuses[what] = await reply.then(
        ({ status }) => status,
        () => 0,
      );
    };
    await tryOut("TRACE", send("", [], PATH, "TRACE"));
    await tryOut("upgrade", send(envelope("[1,2]"), ["connection: upgrade", "upgrade: websocket"]));
    await tryOut("range", send(envelope("[1,2]"), ["range: bytes=0-1"]));
    await tryOut("other expectation", send(envelope("[1,2]"), ["expect: 200-ok"]));
    // No Worker is asked about CONNECT: the runtime answers by itself.
    await RawConnection.open(port).then(async (connection) => {
      connection.write("CONNECT 127.0.0.1:1 HTTP/1.1\r\nhost: edge\r\n\r\n");
      assert.notEqual((await connection.reply()).status, 200);
      connection.close();
    });
    for (const [what, status] of Object.entries(statuses)) {
      assert.ok(
        status === 0 || status === 200 || status === 501 || (status >= 400 && status < 500),
        `${what}: ${status}`,
      );
    }
    await isServed();
  });
});
