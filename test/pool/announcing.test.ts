/** A pool's process tells the edge that it is there, what it serves, and that it goes. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { after, before, describe, test } from "node:test";
import {
  ANNOUNCEMENTS_PATH,
  type Announcement,
  type AnnouncementAnswer,
  announcementSchema,
} from "../../shared/protocol/pool-node.ts";
import { call } from "../support/inference-call.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { scrape } from "../support/pool-metrics.ts";
import { newSigningKey, signedHeaders } from "../support/signing-client.ts";
import { until } from "../support/until.ts";

const KEYS = newSigningKey("k1");
const SECRET = Buffer.from(KEYS.slice("k1:".length), "base64url");

/** An edge that takes the words that are signed as `shared/protocol/signing.ts` says, spelled out here once more. */
class ScriptedEdge {
  readonly words: Announcement[] = [];
  readonly nonces = new Set<string>();
  rejected = 0;
  answer: AnnouncementAnswer = { modelsWanted: false, everyMs: 50 };
  /** Waited for before a word is answered. */
  onWord: (word: Announcement) => Promise<void> = async () => undefined;
  readonly #server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (!this.#isSigned(request, body)) {
      this.rejected++;
      response.writeHead(401).end();
      return;
    }
    const word = announcementSchema.parse(JSON.parse(body.toString()));
    this.words.push(word);
    await this.onWord(word);
    response.end(JSON.stringify(this.answer));
    this.answer = { ...this.answer, modelsWanted: false };
  });

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    assert.ok(typeof address === "object" && address);
    return `http://127.0.0.1:${address.port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #isSigned({ method, url, headers }: IncomingMessage, body: Buffer): boolean {
    const match = /^Warmgate (key=k1,at=(\d{13}),nonce=([^,]+),.*),signature=([A-Za-z0-9_-]{43})$/.exec(
      headers.authorization ?? "",
    );
    if (!match || method !== "POST" || url !== ANNOUNCEMENTS_PATH) return false;
    const [, parameters, at, nonce = "", signature] = match;
    const text = `warmgate-hmac-sha256-v1\nPOST\n${ANNOUNCEMENTS_PATH}\n\n${parameters}\n`;
    const isNew = !this.nonces.has(nonce) && Math.abs(Date.now() - Number(at)) < 30_000;
    this.nonces.add(nonce);
    return isNew && createHmac("sha256", SECRET).update(text).update(body).digest("base64url") === signature;
  }
}

describe("a pool that announces itself", () => {
  const edge = new ScriptedEdge();
  let origin = "";
  let pool: PoolProcess;
  let readyAt = 0;
  let firstAt = 0;
  before(async () => {
    origin = await edge.listen();
    edge.onWord = async () => {
      firstAt ||= performance.now();
    };
    const args = ["--announce-to", origin, "--node-name", "pool-a", "--hardware", "small"];
    pool = await startPool({ models: [TEST_MODELS.digits], signingKeys: KEYS, arguments: args });
    readyAt = performance.now();
  });
  after(async () => {
    await pool.stop();
    edge.close();
  });
  const nextWord = (what: string, is: (word: Announcement) => boolean): Promise<Announcement> => {
    const from = edge.words.length;
    return until(what, () => edge.words.slice(from).find(is), 10_000);
  };

  test("is heard of within a second of being ready, with all that it serves, and not before", async () => {
    const first = await until("a word", () => edge.words[0], 10_000);
    assert.ok(firstAt - readyAt < 1_000, `${firstAt - readyAt} ms`);
    assert.equal(first.status.ready, true);
    assert.equal(first.url, pool.url);
    assert.deepEqual([first.status.node, first.status.hardware, first.leaving], ["pool-a", "small", false]);
    assert.deepEqual(
      first.models?.map(({ name, version }) => `${name}/${version}`),
      ["digits/1", "digits/2", "digits-image/1"],
    );
    assert.ok(Math.abs(Date.now() - first.status.startedAt) < 120_000);
  });

  test("goes on without the models, each word with a higher number and a signature of its own", async () => {
    await until("ten words", () => edge.words.length >= 10, 10_000);
    const words = edge.words.slice(1, 10);
    assert.ok(words.every(({ models }) => models === undefined));
    const numbers = edge.words.map(({ status }) => status.sequence);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
    assert.equal(new Set(edge.words.map(({ status }) => status.process)).size, 1);
    assert.equal(edge.rejected, 0);
  });

  test("brings the models again when it is asked for them", async () => {
    const asked = nextWord("the models", ({ models }) => models !== undefined);
    edge.answer = { ...edge.answer, modelsWanted: true };
    assert.deepEqual((await asked).models, edge.words[0]?.models);
  });

  test("says at once what it no longer serves, though its next word is long off", async () => {
    edge.answer = { modelsWanted: false, everyMs: 60_000 };
    await nextWord("the last of the quick words", () => true);
    const target = "/v2/repository/models/digits/unload";
    const emptied = nextWord("the change", ({ models }) => models?.every(({ name }) => name !== "digits") ?? false);
    const headers = signedHeaders(KEYS, { method: "POST", target });
    assert.equal((await call(`${pool.url}${target}`, { method: "POST", headers })).status, 200);
    assert.notEqual((await emptied).status.catalogue, edge.words[0]?.status.catalogue);
  });

  test("counts its words on the operations port", async () => {
    const counted = (await scrape(pool)).get('warmgate_pool_announcements_total{outcome="answered"}') ?? 0;
    assert.ok(counted >= edge.words.length - 1 && counted <= edge.words.length, `${counted}`);
  });

  test("says that it leaves while its port is still open, and nothing after that", async () => {
    let reached: number | undefined;
    edge.onWord = async (word) => {
      if (word.leaving) reached = (await call(`${pool.url}/v2/health/live`)).status;
    };
    assert.deepEqual(await pool.stop(), { code: 0, signal: null });
    const last = edge.words.at(-1);
    assert.deepEqual([last?.leaving, last?.status.ready], [true, false]);
    assert.equal(edge.words.filter(({ leaving }) => leaving).length, 1);
    assert.equal(reached, 401, "the pool answers what is not signed with a refusal");
  });

  test("an edge that is not there keeps it neither from starting nor from stopping, and is logged once", async () => {
    edge.close();
    const args = ["--announce-to", origin];
    const alone = await startPool({ models: [TEST_MODELS.digits], signingKeys: KEYS, arguments: args });
    await until(
      "several attempts",
      async () => {
        const figures = await scrape(alone);
        return (figures.get('warmgate_pool_announcements_total{outcome="unreachable"}') ?? 0) >= 3;
      },
      20_000,
    );
    assert.equal((await alone.stop()).code, 0);
    assert.equal(alone.output.split("announcements fail").length - 1, 1);
  });
});
