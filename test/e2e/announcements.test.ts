/** Whose word about the pool the edge takes. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { StateFolder } from "../../infra/cli/state-folder.ts";
import { ANNOUNCEMENTS_PATH, type Announcement, LARGEST_ANNOUNCEMENT } from "../../shared/protocol/pool-node.ts";
import { SIGNING_WINDOW_MS } from "../../shared/protocol/signing.ts";
import { type LoneEdge, startLoneEdge } from "../support/lone-edge.ts";
import { RouteClient } from "../support/route-client.ts";
import { newSigningKey, type Signable, signedHeaders } from "../support/signing-client.ts";
import { until } from "../support/until.ts";

describe("the edge hears announcements", () => {
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-announcements-"));
  const keys = new StateFolder(stateFolder).secrets().poolSigningKeys;
  let edge: LoneEdge;
  let client: RouteClient;
  before(async () => {
    edge = await startLoneEdge(stateFolder);
    client = new RouteClient(edge);
  });
  after(async () => {
    await edge.stop();
    rmSync(stateFolder, { recursive: true, force: true });
  });

  const word = (node: string, sequence: number, more: Partial<Announcement> = {}): Announcement => ({
    ...{ url: "http://127.0.0.1:9", leaving: false, models: [] },
    status: {
      ...{ node, process: `process-of-${node}`, startedAt: 1, sequence, device: "cpu", hardware: "none" },
      ...{ provider: "cpu", ready: true, catalogue: "0".repeat(32) },
      load: { waitMs: 0, admissionLevel: 512, slots: 1 },
    },
    ...more,
  });
  const bytesOf = (content: unknown) => new TextEncoder().encode(JSON.stringify(content));
  const signed = (body: Uint8Array, more: Partial<Signable> = {}, by = keys) =>
    signedHeaders(by, { method: "POST", target: ANNOUNCEMENTS_PATH, tenant: "", body, ...more });
  const send = async (body: Uint8Array, headers: Record<string, string>) => {
    const reply = await fetch(edge.edgeUrl + ANNOUNCEMENTS_PATH, {
      method: "POST",
      body: Uint8Array.from(body),
      headers,
    });
    const content = JSON.parse(await reply.text());
    return { status: reply.status, code: content.code, content };
  };
  let spoken = 0;
  /** The directory as it is now: what is known of a witness tells that the view is no older. */
  const directory = async () => {
    const said = bytesOf(word("witness", ++spoken));
    const at = Date.now();
    assert.equal((await send(said, signed(said))).status, 200);
    return until("the view of the directory", async () => {
      const nodes = await client.nodes();
      return nodes.some(({ node, seenAt }) => node === "witness" && seenAt >= at) && nodes;
    });
  };
  const namesIn = async () => (await directory()).map(({ node }) => node).sort();

  test("what is not signed by a node of its pool, or was long ago, is refused and changes nothing", async () => {
    const body = bytesOf(word("stranger", 1));
    const [id = ""] = keys.split(":");
    const attempts: Record<string, Record<string, string>> = {
      "no signature": {},
      "another scheme": { authorization: `Bearer ${edge.adminKey}` },
      "another secret under the same name": signed(body, {}, newSigningKey(id)),
      "a name that is unknown": signed(body, {}, newSigningKey("other")),
      "too old": signed(body, { signedAt: Date.now() - SIGNING_WINDOW_MS - 1_000 }),
      "of the future": signed(body, { signedAt: Date.now() + SIGNING_WINDOW_MS + 1_000 }),
      "another body": signed(bytesOf(word("stranger", 2))),
      "another path": signed(body, { target: "/pool/node" }),
      "another method": signed(body, { method: "PUT" }),
    };
    for (const [what, headers] of Object.entries(attempts)) {
      const { status, code } = await send(body, headers);
      assert.deepEqual([status, code], [401, "invalid_signature"], what);
    }
    assert.deepEqual(await namesIn(), ["witness"]);
    assert.equal((await send(body, signed(body))).status, 200, "signed as it should be it is taken");
    assert.deepEqual(await namesIn(), ["stranger", "witness"]);
  });

  test("what is signed but too large or not as it should be is refused and changes nothing", async () => {
    const good = word("crooked", 1);
    const bodies: [what: string, body: Uint8Array, status: number, code: string][] = [
      [
        "too large",
        bytesOf({ ...good, more: randomBytes(LARGEST_ANNOUNCEMENT / 2).toString("hex") }),
        413,
        "body_too_large",
      ],
      ["cut off", bytesOf(good).subarray(0, 100), 400, "malformed_json"],
      ["no UTF-8", Uint8Array.of(0xff, 0xfe), 400, "malformed_json"],
      ["nothing", new Uint8Array(0), 400, "malformed_json"],
      ["no announcement", bytesOf([]), 400, "invalid_request"],
      ["a name that none may have", bytesOf(word("Crooked!", 1)), 400, "invalid_request"],
      ["an address with a path", bytesOf(word("crooked", 1, { url: "http://127.0.0.1:9/x" })), 400, "invalid_request"],
      ["no address", bytesOf(word("crooked", 1, { url: "file:///etc/passwd" })), 400, "invalid_request"],
    ];
    for (const [what, body, status, code] of bodies) {
      const reply = await send(body, signed(body));
      assert.deepEqual([reply.status, reply.code], [status, code], what);
    }
    assert.ok(!(await namesIn()).includes("crooked"));
  });

  test("an old word that is sent again changes nothing", async () => {
    const first = bytesOf(word("leaver", 1));
    const captured = signed(first);
    assert.equal((await send(first, captured)).status, 200);
    const goodbye = bytesOf(word("leaver", 2, { leaving: true }));
    assert.equal((await send(goodbye, signed(goodbye))).status, 200);
    const leaver = async () => (await directory()).find(({ node }) => node === "leaver");
    const gone = await leaver();
    assert.deepEqual([gone?.live, gone?.left], [false, true]);
    assert.equal((await send(first, captured)).status, 200);
    assert.deepEqual(await leaver(), gone);
  });

  test("a node whose models are not known is asked for them, and is not in the directory before", async () => {
    const { models: _, ...without } = word("brief", 1);
    const first = bytesOf(without);
    assert.equal((await send(first, signed(first))).content.modelsWanted, true);
    assert.ok(!(await namesIn()).includes("brief"));
    const second = bytesOf(word("brief", 2));
    assert.equal((await send(second, signed(second))).content.modelsWanted, false);
    assert.ok((await namesIn()).includes("brief"));
    const third = bytesOf({ ...without, status: { ...without.status, sequence: 3 } });
    assert.equal((await send(third, signed(third))).content.modelsWanted, false);
  });
});
