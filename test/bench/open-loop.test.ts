/** The load generator against servers whose behaviour is known. */
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { describe, test } from "node:test";
import { type OpenLoopSettings, offerLoad } from "./open-loop.ts";

async function offered(answer: RequestListener, given: Partial<OpenLoopSettings> = {}, deadlineMs = 200) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const request = Buffer.from("GET / HTTP/1.1\r\nhost: test\r\n\r\n").toString("base64");
  try {
    const { streams } = await offerLoad({
      port,
      streams: [{ label: "all", request, arrivals: { kind: "poisson", perSecond: 200 }, deadlineMs }],
      connections: 64,
      warmUpMs: 200,
      measureMs: 1_000,
      seed: 1,
      ...given,
    });
    return streams[0]!;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe("the open-loop generator", () => {
  test("a server that takes 40 ms is seen to take 40 ms, and every request is accounted for", async () => {
    const all = await offered((_, response) => setTimeout(() => response.end("ok"), 40));
    assert.ok(all.latencyMs.p50 >= 39 && all.latencyMs.p50 < 80, `p50 ${all.latencyMs.p50}`);
    assert.equal(all.statuses["200"], all.offered);
    assert.equal(all.lost, 0);
    assert.ok(Math.abs(all.offered - 200) < 50);
  });

  test("a standstill of half a second is in the latencies of all that were due meanwhile", async () => {
    let stoodStill = false;
    const all = await offered((_, response) => {
      if (!stoodStill) {
        stoodStill = true;
        const until = performance.now() + 500;
        while (performance.now() < until);
      }
      response.end("ok");
    });
    // A closed loop would have sent one request meanwhile, and shown one slow answer.
    assert.ok(all.latencyMs.p99 > 150, `p99 ${all.latencyMs.p99}`);
    assert.ok(all.late > 10, `late ${all.late}`);
  });

  test("refusals are told from answers, and timed from the moment of writing", async () => {
    let count = 0;
    const all = await offered((_, response) => {
      response.statusCode = count++ % 2 === 0 ? 200 : 503;
      response.end("x");
    });
    assert.ok(Math.abs((all.statuses["503"] ?? 0) / all.offered - 0.5) < 0.1);
    assert.ok(all.refusalAfterWriteMs.p50 < 30);
    assert.ok(all.goodputPerSecond < 0.6 * all.offeredPerSecond);
  });

  test("requests that find no free connection wait, and that counts", async () => {
    const answer: RequestListener = (_, response) => setTimeout(() => response.end("ok"), 20);
    const all = await offered(answer, { connections: 1 }, 10_000);
    assert.ok(all.latencyMs.p50 > 500, `p50 ${all.latencyMs.p50}`);
    assert.equal(all.lost, 0);
  });
});
