import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { PROJECT_ROOT } from "../state-folder.ts";
import { explain } from "./admin.ts";
import { ADMIN_KEY, answerJson, scriptedApi, typed } from "./scripted-api.ts";

const EXPLANATION = {
  route: { name: "digits", revision: 12, contract: 1 },
  version: {
    ...{ model: "digits-small", version: "2", artefact: "0123456789abcdef", available: ["2", "1"] },
    rule: { kind: "experiment", experiment: "colours", arm: "new" },
  },
  node: {
    ...{ chosen: "pool-1", hardware: "cpu", provider: "cpu", asked: null, capable: 3, beyond_shard: false },
    ...{ shard: ["pool-1", "pool-2"], ejected: [], predicted_wait_ms: { "pool-1": 0.25, "pool-2": 3 } },
  },
  cache: { key: "fedcba9876543210", status: "warmgate; fwd=miss" },
  limits: [{ kind: "rate", account: "tenant", quota: 20, remaining: 13 }],
  attempts: [],
  shed: null,
};
/** JSON with a number that would not survive being read and written. */
const BODY = '{ "inputs": [{ "name": "id", "datatype": "INT64", "shape": [1], "data": [9007199254740993] }] }';

async function fileWith(context: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "warmgate-explain-"));
  context.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "request.json");
  await writeFile(file, text);
  return file;
}

async function explained(context: TestContext, changes: object): Promise<string> {
  const file = await fileWith(context, BODY);
  const answer = { ...EXPLANATION, ...changes };
  return (await typed(context, explain, `digits --tenant acme --input ${file}`, answer)).printed;
}

describe("explain", () => {
  test("sends the file as it is, with the headers that the request would have", async (context) => {
    const file = await fileWith(context, BODY);
    const line = `digits --tenant acme --input ${file} --pin 2 --contract 3 --hardware cpu --header X-User-Id=a=b`;
    const { asked, code } = await typed(context, explain, line, EXPLANATION);
    assert.equal(code, 0);
    const [request] = asked;
    assert.equal(request?.method, "POST");
    assert.equal(request?.url, "/admin/v1/tenants/acme/models/digits/explain");
    assert.equal(request?.headers["content-length"], String(BODY.length));
    assert.deepEqual(request?.body, JSON.parse(BODY));
    const names = ["x-warmgate-version", "x-warmgate-contract", "x-warmgate-hardware", "x-user-id"];
    assert.deepEqual(
      names.map((name) => request?.headers[name]),
      ["2", "3", "cpu", "a=b"],
    );
  });

  test("asks for nothing in particular when nothing is given", async (context) => {
    const file = await fileWith(context, BODY);
    const { asked } = await typed(context, explain, `digits --tenant acme --input ${file}`, EXPLANATION);
    assert.deepEqual(
      Object.keys(asked[0]?.headers ?? {}).filter((name) => name.startsWith("x-")),
      [],
    );
  });

  test("reads standard input", async (context) => {
    const api = await scriptedApi(context, (_, response) => answerJson(response, EXPLANATION));
    const main = join(PROJECT_ROOT, "infra", "cli", "main.ts");
    const args = ["explain", "digits", "--tenant", "acme", "--input", "-", "--url", api.origin, "--json"];
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
      env: { ...process.env, WARMGATE_ADMIN_KEY: ADMIN_KEY },
    });
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      stdout += part;
    });
    child.stdin.end(BODY);
    assert.equal(await new Promise((resolve) => child.once("close", resolve)), 0);
    assert.deepEqual(JSON.parse(stdout), EXPLANATION);
    assert.deepEqual(api.asked[0]?.body, JSON.parse(BODY));
  });

  test("tells version, node, cache and limits, and why", async (context) => {
    const printed = await explained(context, {});
    assert.match(printed, /^route +digits, contract 1, revision 12$/m);
    assert.match(printed, /^version +2$/m);
    assert.match(printed, /^why +the request is in arm new of the experiment colours$/m);
    assert.match(printed, /^available +2 1$/m);
    assert.match(printed, /^node +pool-1$/m);
    assert.match(printed, /^why +the shorter predicted wait of two, taken at random$/m);
    assert.match(printed, /^hardware +cpu with cpu, asked for: any$/m);
    assert.match(printed, /^cache +the answer is not there \(warmgate; fwd=miss\)$/m);
    assert.match(printed, /^shed +not by the edge;/m);
    assert.match(printed, /^pool-2 +3$/m);
    assert.match(printed, /^rate +tenant +20 +13$/m);
  });

  const reasons: readonly (readonly [what: string, changes: object, says: RegExp])[] = [
    ["a pin", { version: { ...EXPLANATION.version, rule: { kind: "pin" } } }, /^why +the caller pins it$/m],
    ["a rule", { version: { ...EXPLANATION.version, rule: { kind: "rule", rule: 2 } } }, /^why +rule 2 of the route/m],
    ["the split", { version: { ...EXPLANATION.version, rule: { kind: "split" } } }, /^why +.*share of the split$/m],
    [
      "the newest version of a model without a route",
      { route: null, version: { ...EXPLANATION.version, rule: { kind: "newest" } } },
      /^route +none of that name\n[\s\S]*^why +it is the newest/m,
    ],
    [
      "a rule of a newer server's",
      { version: { ...EXPLANATION.version, rule: { kind: "auction" } } },
      /^why +auction$/m,
    ],
    [
      "a version that no node is known to have",
      { version: { ...EXPLANATION.version, version: null, rule: null, artefact: null, available: [] }, node: null },
      /^version +the node's choice\n[\s\S]*^node +any:/m,
    ],
    [
      "a node of another tenant's",
      { node: { ...EXPLANATION.node, beyond_shard: true, predicted_wait_ms: { "pool-3": 1 } } },
      /^why +the only one that can be asked; none of the tenant's own is well$/m,
    ],
    [
      "an answer in the cache",
      { cache: { key: "0", status: "warmgate; hit; ttl=120; detail=isolate" } },
      /^cache +the answer is there \(warmgate; hit; ttl=120; detail=isolate\)$/m,
    ],
    [
      "a model that is not cached",
      { cache: { key: null, status: "warmgate; fwd=bypass; detail=not-deterministic" } },
      /^cache +not asked: the model is not declared deterministic$/m,
    ],
    [
      "a request that is shed",
      { shed: { decision: "refused", by: "edge", code: "overloaded" } },
      /^shed +refused by the edge \(overloaded\)$/m,
    ],
    [
      "what a route falls back to",
      { fallback: ["cached", "version 1", "job"] },
      /^falls back +cached -> version 1 -> job$/m,
    ],
  ];
  for (const [what, changes, says] of reasons) {
    test(`tells ${what} in words`, async (context) => {
      assert.match(await explained(context, changes), says);
    });
  }
});
