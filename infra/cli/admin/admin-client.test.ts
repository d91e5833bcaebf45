import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { z } from "zod";
import { UsageError } from "../usage-error.ts";
import { AdminClient, type AdminRequest } from "./admin-client.ts";
import { Refused, Unreachable } from "./failure.ts";
import { ADMIN_KEY, answerJson, type Script, scriptedApi } from "./scripted-api.ts";

const schema = z.looseObject({ ok: z.literal(true) });
const READ: AdminRequest = { path: ["tenants"] };
const CHANGE: AdminRequest = { method: "POST", path: ["tenants"], body: { id: "acme" } };

function clientOf(origin: string, timeOutMs?: number): AdminClient {
  const deployment = { origin, key: ADMIN_KEY, keySource: "WARMGATE_ADMIN_KEY", whenSilent: "Check the URL." };
  return new AdminClient(deployment, timeOutMs);
}

async function failure(context: TestContext, script: Script, request = READ, timeOutMs?: number): Promise<Error> {
  const api = await scriptedApi(context, script);
  return failureAt(api.origin, request, timeOutMs);
}

async function failureAt(origin: string, request = READ, timeOutMs?: number): Promise<Error> {
  const thrown = await clientOf(origin, timeOutMs)
    .ask(schema, request)
    .then(
      () => new Error("nothing failed"),
      (error: unknown) => error,
    );
  assert.ok(thrown instanceof Error);
  assert.ok(!thrown.message.includes(ADMIN_KEY), "the key is in the message");
  return thrown;
}

describe("AdminClient", () => {
  test("sends key, path, query and body as the API has them", async (context) => {
    const api = await scriptedApi(context, (_, response) => answerJson(response, { ok: true, more: 1 }));
    const request: AdminRequest = {
      ...CHANGE,
      path: ["issuers", "https://a/b?c"],
      query: { after: "a&b", limit: undefined },
    };
    assert.deepEqual(await clientOf(api.origin).ask(schema, request), { ok: true, more: 1 });
    const [asked] = api.asked;
    assert.equal(asked?.method, "POST");
    assert.equal(asked?.url, "/admin/v1/issuers/https%3A%2F%2Fa%2Fb%3Fc?after=a%26b");
    assert.equal(asked?.headers.authorization, `Bearer ${ADMIN_KEY}`);
    assert.deepEqual(asked?.body, { id: "acme" });
  });

  test("sends what is JSON already as it is, and headers beside its own", async (context) => {
    const api = await scriptedApi(context, (_, response) => answerJson(response, { ok: true }));
    const json = '{ "data": [9007199254740993] }';
    const headers = { "x-user-id": "42", Authorization: "Bearer other" };
    await clientOf(api.origin).ask(schema, { method: "POST", path: ["explain"], json, headers });
    const [asked] = api.asked;
    assert.equal(asked?.headers["content-type"], "application/json");
    assert.equal(asked?.headers["content-length"], String(json.length));
    assert.equal(asked?.headers["x-user-id"], "42");
    assert.equal(asked?.headers.authorization, `Bearer ${ADMIN_KEY}`);
  });

  test("sends nothing for a name that would change the path", async (context) => {
    const api = await scriptedApi(context, (_, response) => answerJson(response, { ok: true }));
    for (const name of ["", ".", ".."]) {
      await assert.rejects(clientOf(api.origin).ask(schema, { path: ["tenants", name, "keys"] }), UsageError);
    }
    assert.equal(api.asked.length, 0);
  });

  test("tells a refusal with its code, its request id and what can be done", async (context) => {
    const error = await failure(context, (_, response) =>
      answerJson(response, { error: "there is no such tenant", code: "not_found", request_id: "r-1" }, 404),
    );
    assert.ok(error instanceof Refused);
    const { message, code, requestId, advice, exitCode } = error;
    assert.deepEqual(
      { message, code, requestId, exitCode },
      { message: "there is no such tenant", code: "not_found", requestId: "r-1", exitCode: 1 },
    );
    assert.match(advice ?? "", /tenants ls/);
  });

  test("names where a refused key came from", async (context) => {
    const error = await failure(context, (_, response) =>
      answerJson(response, { error: "no", code: "unauthenticated" }, 401),
    );
    assert.ok(error instanceof Refused);
    assert.match(error.advice ?? "", /WARMGATE_ADMIN_KEY/);
  });

  test("passes on when to send again", async (context) => {
    const error = await failure(context, (_, response) => {
      response.setHeader("retry-after", "7");
      answerJson(response, { error: "slow down", code: "rate_limited" }, 429);
    });
    assert.ok(error instanceof Refused);
    assert.equal(error.advice, "Send it again in 7 s.");
  });

  test("takes control characters out of what a server says", async (context) => {
    const error = await failure(context, (_, response) =>
      answerJson(response, { error: "\u001b[2J", code: "x\n" }, 400),
    );
    assert.ok(error instanceof Refused);
    assert.deepEqual([error.message, error.code], ["\ufffd[2J", "x\ufffd"]);
  });

  const strangers: readonly { readonly what: string; readonly script: Script; readonly says: RegExp }[] = [
    {
      what: "a web page with status 200",
      script: (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>"),
      says: /not understood \(text\/html\)/,
    },
    {
      what: "a proxy's 502",
      script: (_, response) => response.writeHead(502, { "content-type": "text/html" }).end("<html>"),
      says: /status 502 and text\/html/,
    },
    {
      what: "a 404 in somebody else's JSON",
      script: (_, response) => answerJson(response, { detail: "Not Found" }, 404),
      says: /status 404 and application\/json/,
    },
    {
      what: "JSON of another form",
      script: (_, response) => answerJson(response, { ok: "yes" }),
      says: /not understood \(ok: /,
    },
    {
      what: "an empty answer",
      script: (_, response) => response.writeHead(204).end(),
      says: /an answer without a type/,
    },
    {
      what: "an answer without end",
      script: (_, response) => {
        const part = Buffer.alloc(1024 * 1024);
        const more = () => {
          while (!response.destroyed && response.write(part));
        };
        response.on("drain", more);
        more();
      },
      says: /far too large/,
    },
  ];
  for (const { what, script, says } of strangers) {
    test(`does not take ${what} for Warmgate`, async (context) => {
      const error = await failure(context, script);
      assert.ok(error instanceof Unreachable);
      assert.match(error.message, says);
    });
  }

  test("does not carry the key along a redirect", async (context) => {
    const elsewhere = await scriptedApi(context, (_, response) => answerJson(response, { ok: true }));
    const error = await failure(context, (_, response) => {
      response.writeHead(307, { location: `${elsewhere.origin}/admin/v1/tenants` }).end();
    });
    assert.ok(error instanceof Unreachable);
    assert.ok(error.message.includes(`a redirect to ${elsewhere.origin}`));
    assert.equal(elsewhere.asked.length, 0);
  });

  test("gives up on a server that does not answer in time", async (context) => {
    const error = await failure(context, () => {}, READ, 50);
    assert.ok(error instanceof Unreachable);
    assert.match(error.message, /no answer within 0\.05 s/);
  });

  test("gives up on an answer that stops half-way", async (context) => {
    const error = await failure(
      context,
      (_, response) => {
        response.writeHead(200, { "content-type": "application/json" }).write('{"ok":');
      },
      READ,
      50,
    );
    assert.ok(error instanceof Unreachable);
    assert.match(error.message, /no answer within/);
  });

  test("says when nothing listens", async () => {
    const error = await failureAt(`http://127.0.0.1:${await unusedPort()}`);
    assert.ok(error instanceof Unreachable);
    assert.match(error.message, /cannot be reached: nothing listens there\. Check the URL\./);
    assert.equal(error.exitCode, 3);
  });

  test("says when the connection is cut", async (context) => {
    const error = await failure(context, (_, response) => response.destroy());
    assert.ok(error instanceof Unreachable);
    assert.match(error.message, /the connection was cut/);
  });

  test("warns that a change may have been made when its answer did not come", async (context) => {
    const changed = await failure(context, (_, response) => response.destroy(), CHANGE);
    const read = await failure(context, (_, response) => response.destroy(), READ);
    assert.match(changed.message, /may have been made/);
    assert.doesNotMatch(read.message, /may have been made/);
    const question = await failure(context, (_, response) => response.destroy(), { ...CHANGE, changesNothing: true });
    assert.doesNotMatch(question.message, /may have been made/);
  });

  test("takes only CSV for CSV", async (context) => {
    const api = await scriptedApi(context, ({ url }, response) => {
      if (url?.endsWith("/csv")) response.writeHead(200, { "content-type": "text/csv; charset=utf-8" }).end("a,b\r\n");
      else answerJson(response, { ok: true });
    });
    assert.equal(await clientOf(api.origin).askCsv({ path: ["csv"] }), "a,b\r\n");
    await assert.rejects(clientOf(api.origin).askCsv({ path: ["json"] }), /instead of CSV/);
  });
});

/** One that was free a moment ago. */
async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}
