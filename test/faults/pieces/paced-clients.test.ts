import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { brokenInvariants } from "./invariant-checker.ts";
import { PacedClients, type PacedClientsOptions } from "./paced-clients.ts";

const inputSchema = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.int()),
  data: z.array(z.unknown()),
});
const bodySchema = z.object({ inputs: z.tuple([inputSchema]) });

interface Asked {
  readonly path: string;
  readonly key: string | undefined;
  readonly id: string;
  readonly timeout: string | undefined;
  readonly input: z.infer<typeof inputSchema>;
}

type Answer = (asked: Asked, response: ServerResponse) => void;

/** Answers as the edge would that has identity models behind it. */
function rightly({ id, input }: Asked, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json", "x-request-id": id });
  response.end(JSON.stringify({ model_name: "m", model_version: "1", outputs: [{ ...input, name: "OUTPUT0" }] }));
}

/** What clients sent to an edge that answers like this, and what they kept of it. */
async function traffic(answer: Answer, given: Partial<PacedClientsOptions> = {}, forMs = 500) {
  const asked: Asked[] = [];
  let connections = 0;
  const edge = createServer(async (request: IncomingMessage, response) => {
    const { inputs } = bodySchema.parse(JSON.parse(Buffer.concat(await request.toArray()).toString()));
    const { headers, url = "" } = request;
    const told = { id: String(headers["x-request-id"]), timeout: String(headers["x-warmgate-timeout-ms"]) };
    const one = { path: url, key: headers.authorization, ...told, input: inputs[0] };
    asked.push(one);
    answer(one, response);
  }).on("connection", () => connections++);
  edge.listen(0, "127.0.0.1");
  await once(edge, "listening");
  const address = edge.address();
  assert.ok(typeof address === "object" && address);
  const clients = new PacedClients({
    url: `http://127.0.0.1:${address.port}`,
    tenants: [
      { tenant: "acme", key: "key-a", perSecond: 200 },
      { tenant: "umbrella", key: "key-u", perSecond: 100 },
    ],
    ...{ deadlineMs: 1_000, seed: 1, ...given },
  });
  await delay(forMs);
  const records = await clients.stop();
  edge.closeAllConnections();
  edge.close();
  return { asked, connections, records, clients };
}

describe("paced clients", () => {
  test("send what is due for each tenant, and keep of every request what the invariants are checked by", async () => {
    const { asked, records, clients } = await traffic(rightly);
    const edgeLog = asked.map(({ id }) => JSON.stringify({ request_id: id, status: 200 }));
    assert.deepEqual(brokenInvariants({ records, markers: clients.markers, edgeLog, pools: [] }), []);
    assert.equal(records.length, asked.length);
    for (const [tenant, perSecond] of Object.entries({ acme: 200, umbrella: 100 })) {
      const sent = records.filter((record) => record.tenant === tenant).length;
      const due = perSecond / 2;
      assert.ok(Math.abs(sent - due) <= 4 * Math.sqrt(due) + perSecond / 20, `${sent} of ${due} of ${tenant}`);
    }
    assert.equal(clients.inFlight, 0);
  });

  test("each with its own key, id, deadline, marker and input, to all of the models", async () => {
    const { asked, clients } = await traffic(rightly);
    assert.equal(new Set(asked.map(({ id }) => id)).size, asked.length);
    assert.equal(new Set(asked.map(({ path, input }) => path + input.data.join())).size, asked.length);
    for (const { key, timeout, id, input } of asked) {
      const tenant = key === "Bearer key-a" ? "acme" : "umbrella";
      assert.ok(id.startsWith(tenant));
      assert.equal(timeout, "1000");
      assert.equal(String(input.data[0]), clients.markers.get(tenant));
    }
    assert.notEqual(clients.markers.get("acme"), clients.markers.get("umbrella"));
    assert.deepEqual(
      [...new Set(asked.map(({ path, input }) => `${path} ${input.datatype}`))].sort(),
      ["fp32/infer FP32", "int64/infer INT64", "string/infer BYTES"].map((end) => `/v2/models/identity_${end}`),
    );
  });

  test("the same seed sends the same requests, another one others", async () => {
    const [one, again, other] = await Promise.all([1, 1, 2].map((seed) => traffic(rightly, { seed }, 200)));
    /** By number: which tenant asked what, of which model. */
    const sent = (run = one) => {
      const byNumber = new Map(run?.asked.map(({ id, path, input }) => [Number(id.split("-")[2]), [path, input.data]]));
      return Array.from({ length: 20 }, (_, number) => byNumber.get(number));
    };
    assert.ok(sent().every((request) => request !== undefined));
    assert.deepEqual(sent(again), sent(one));
    assert.notDeepEqual(sent(other), sent(one));
  });

  test("none waits for the answer of another one, and connections are used again when they are free", async () => {
    const slow: Answer = (asked, response) => void setTimeout(() => rightly(asked, response), 300);
    const { records, connections, clients } = await traffic(slow);
    const tookMs = records.map(({ sentAt, outcome }) =>
      outcome.kind === "answered" ? outcome.answeredAt - sentAt : Number.POSITIVE_INFINITY,
    );
    const longest = Math.max(...tookMs);
    assert.ok(longest < 300 + 150 + clients.worstDelayMs, `${longest} ms`);
    assert.ok(connections > 40, `${connections} connections at a time`);
    assert.ok(connections < records.length, `${connections} for ${records.length}`);
    const quick = await traffic(rightly);
    assert.ok(quick.connections < 40, `${quick.connections} connections`);
  });

  test("answers that are lost, cut, refused or of another one are kept as what they are", async () => {
    let count = 0;
    const { records, clients, asked } = await traffic((one, response) => {
      switch (count++) {
        case 0:
          return void response.socket?.resetAndDestroy();
        case 1:
          response.writeHead(200, { "content-length": 100 }).write("{");
          return void setTimeout(() => response.destroy(), 20);
        case 2:
          return void response.writeHead(503, { "retry-after": "1", "x-request-id": one.id }).end("{}");
        case 3:
          return rightly({ ...one, id: "another" }, response);
        default:
          return rightly(one, response);
      }
    });
    const outcomes = asked.slice(0, 4).map(({ id }) => records.find((record) => record.id === id)!.outcome);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.kind === "answered" ? outcome.status : outcome.kind)),
      ["unanswered", "unanswered", 503, 200],
    );
    assert.match(outcomes[0]?.kind === "unanswered" ? outcomes[0].reason : "", /ECONNRESET/);
    assert.equal(outcomes[2]?.kind === "answered" && outcomes[2].headers["retry-after"], "1");
    const edgeLog = asked.map(({ id }, which) => JSON.stringify({ request_id: id, status: which === 2 ? 503 : 200 }));
    const broken = brokenInvariants({ records, markers: clients.markers, edgeLog, pools: [] });
    const counts = ["I1", "I7"].map((name) => broken.filter((text) => text.startsWith(name)).length);
    // The 503 is of no type and has not the error's shape.
    assert.deepEqual([counts, broken.length], [[3, 2], 5], broken.join("\n"));
  });

  test("who is refused for now asks again at once, as often as told, each time under an id of its own", async () => {
    const tenants = [{ tenant: "acme", key: "key-a", perSecond: 50, retries: 2 }];
    const { asked, records } = await traffic(
      (one, response) => void response.writeHead(503, { "retry-after": "1", "x-request-id": one.id }).end("{}"),
      { tenants, firstElement: 700 },
    );
    const first = asked.filter(({ id }) => /^acme-1-\d+$/.test(id));
    assert.ok(first.length > 5);
    assert.equal(asked.length, 3 * first.length);
    assert.deepEqual(records.map(({ id }) => id).sort(), asked.map(({ id }) => id).sort());
    for (const { id, input } of first) {
      const again = asked.filter((other) => other.id.startsWith(`${id}-`));
      assert.deepEqual(
        again.map((other) => other.input.data),
        [input.data, input.data],
      );
      assert.ok(Number(input.data[1]) >= 700);
    }
  });

  test("say which class they are of and whatever else they are told to", async () => {
    const told = new Set<string>();
    const edge = createServer(async (request, response) => {
      const { parameters } = JSON.parse(Buffer.concat(await request.toArray()).toString());
      told.add(`${JSON.stringify(parameters)} ${request.headers["x-warmgate-hardware"]}`);
      response.end("{}");
    });
    edge.listen(0, "127.0.0.1");
    await once(edge, "listening");
    const address = edge.address();
    assert.ok(typeof address === "object" && address);
    const clients = new PacedClients({
      url: `http://127.0.0.1:${address.port}`,
      tenants: [{ tenant: "acme", key: "key-a", perSecond: 100, priority: 3 }],
      ...{ deadlineMs: 1_000, seed: 1, headers: { "x-warmgate-hardware": "big" } },
    });
    await delay(100);
    await clients.stop();
    edge.close();
    assert.deepEqual([...told], ['{"priority":3} big']);
  });

  test("a client that was held up itself says so", async () => {
    let isBlocked = false;
    const { clients } = await traffic(
      (asked, response) => {
        const until = performance.now() + (isBlocked ? 0 : 100);
        isBlocked = true;
        while (performance.now() < until);
        rightly(asked, response);
      },
      {},
      250,
    );
    assert.ok(clients.worstDelayMs > 60, `${clients.worstDelayMs} ms`);
  });
});
