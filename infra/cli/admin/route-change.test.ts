import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { z } from "zod";
import { contractSchema } from "../../../shared/protocol/model-route.ts";
import { routes } from "./admin.ts";
import { BUSY_CONTRACT, CONTRACT, DEPRECATED, ROUTE, SUNSET } from "./route-example.ts";
import { answerJson, sent, typed, typedTo } from "./scripted-api.ts";

const NOT_FOUND = { error: "there is no route digits", code: "not_found" };

/** As the server takes it: a signature may be named, or left out. */
const signature = contractSchema.shape.signature.or(z.strictObject({ from: z.string() })).optional();
const sentSchema = z.looseObject({ contracts: z.array(contractSchema.extend({ signature })) });

/** What `routes set digits` sends for the route that is there, and that it asks for the route before. */
async function change(context: TestContext, options: string, before: object = ROUTE) {
  const { asked, code } = await typed(context, routes, `set digits ${options}`, before);
  assert.equal(code, 0);
  const [read, written] = sent(asked);
  assert.deepEqual(read, { method: "GET", path: "routes/digits", body: undefined });
  assert.deepEqual({ method: written?.method, path: written?.path }, { method: "PUT", path: "routes/digits" });
  return written?.body;
}

const { model, cache } = ROUTE.route;
const whole = { revision: 12, model, cache };

describe("routes set", () => {
  test("makes a route that is not there yet, with contract 1", async (context) => {
    const { asked, code } = await typedTo(
      context,
      routes,
      "set digits --weight 1=90 --weight 2=10",
      (request, response) =>
        request.method === "GET" ? answerJson(response, NOT_FOUND, 404) : answerJson(response, ROUTE),
    );
    assert.equal(code, 0);
    const versions = [
      { version: "1", weight: 90 },
      { version: "2", weight: 10 },
    ];
    assert.deepEqual(sent(asked)[1], {
      method: "PUT",
      path: "routes/digits",
      body: { revision: 0, contracts: [{ contract: 1, split: { versions } }] },
    });
  });

  test("makes a new route as it is given in full", async (context) => {
    const line =
      "set digits --model digits-large --contract 3 --weight 1=1 --sticky input --signature-from 2 --cache-scope shared --deprecate 2027-01-31";
    const { asked } = await typedTo(context, routes, line, (request, response) =>
      request.method === "GET" ? answerJson(response, NOT_FOUND, 404) : answerJson(response, ROUTE),
    );
    const contract = {
      ...{ contract: 3, split: { sticky: "input", versions: [{ version: "1", weight: 1 }] } },
      ...{ signature: { from: "2" }, deprecation: { at: DEPRECATED, sunset: null, link: null } },
    };
    const body = { revision: 0, model: "digits-large", contracts: [contract], cache: { scope: "shared" } };
    assert.deepEqual(sent(asked)[1]?.body, body);
    sentSchema.parse(body);
  });

  test("sends nothing for a new contract without weights", async (context) => {
    for (const [line, status] of [
      ["set digits --ttl 1h", 404],
      ["set digits --contract 3 --sticky tenant", 200],
    ] as const) {
      const methods: (string | undefined)[] = [];
      await assert.rejects(
        typedTo(context, routes, line, ({ method }, response) => {
          methods.push(method);
          answerJson(response, status === 404 ? NOT_FOUND : ROUTE, status);
        }),
        /a new one needs --weight/,
      );
      assert.deepEqual(methods, ["GET"]);
    }
  });

  test("does not take another refusal for a route that is not there", async (context) => {
    const { code, asked } = await typedTo(context, routes, "set digits --ttl 1h", (_, response) =>
      answerJson(response, { error: "no", code: "forbidden" }, 403),
    );
    assert.deepEqual([code, asked.length], [1, 1]);
  });

  test("keeps all that is not given, what this command line does not know included", async (context) => {
    const contracts = [{ ...CONTRACT, canary: { of: "mine" } }, BUSY_CONTRACT];
    const body = await change(context, "--ttl 2h", { ...ROUTE, route: { ...ROUTE.route, contracts } });
    assert.deepEqual(body, { ...whole, contracts, cache: { scope: "tenant", ttlSeconds: 7200 } });
  });

  test("changes the oldest contract where none is named", async (context) => {
    const contracts = [BUSY_CONTRACT, CONTRACT];
    const body = await change(context, "--hardware cpu", { ...ROUTE, route: { ...ROUTE.route, contracts } });
    assert.deepEqual(body, { ...whole, contracts: [BUSY_CONTRACT, { ...CONTRACT, hardware: "cpu" }] });
  });

  test("adds a contract beside those that are there", async (context) => {
    const added = { contract: 3, split: { versions: [{ version: "3", weight: 1 }] }, signature: { from: "3" } };
    const body = await change(context, "--contract 3 --weight 3=1 --signature-from 3");
    assert.deepEqual(body, { ...whole, contracts: [CONTRACT, BUSY_CONTRACT, added] });
  });

  test("removes a contract, and then changes the oldest that is left", async (context) => {
    assert.deepEqual(await change(context, "--remove-contract 1"), { ...whole, contracts: [BUSY_CONTRACT] });
    const body = await change(context, "--remove-contract 1 --no-shadow");
    assert.deepEqual(body, { ...whole, contracts: [{ ...BUSY_CONTRACT, shadow: null }] });
  });

  test("does not remove a contract that is not there, nor the last one", async (context) => {
    const { code, asked, noted } = await typed(context, routes, "set digits --remove-contract 7", ROUTE);
    assert.deepEqual([code, asked.length], [1, 1]);
    assert.match(noted, /there is no contract 7 \(not_found\)/);
    const last = { ...ROUTE, route: { ...ROUTE.route, contracts: [CONTRACT] } };
    await assert.rejects(typed(context, routes, "set digits --remove-contract 1", last), /routes rm <route>/);
  });

  test("tells a conflict with a change of somebody else's", async (context) => {
    const { code, noted } = await typedTo(context, routes, "set digits --ttl 1h", ({ method }, response) =>
      method === "GET"
        ? answerJson(response, ROUTE)
        : answerJson(response, { error: "the route was changed meanwhile", code: "conflict" }, 409),
    );
    assert.equal(code, 1);
    assert.match(noted, /changed meanwhile \(conflict\)/);
  });

  const changes: readonly (readonly [options: string, changed: Readonly<Record<string, unknown>>])[] = [
    ["--weight 3=0.5", { split: { sticky: "tenant", versions: [{ version: "3", weight: 0.5 }] } }],
    ["--sticky header:x-user-id", { split: { ...BUSY_CONTRACT.split, sticky: "header:x-user-id" } }],
    ["--hardware any", { hardware: null }],
    [
      "--rule tenant=acme,tenant=bolt,plan=free,priority=batch:2@nvidia-h200 --rule plan=gold:3",
      {
        rules: [
          {
            when: { tenants: ["acme", "bolt"], plans: ["free"], priorities: ["batch"] },
            ...{ version: "2", hardware: "nvidia-h200" },
          },
          { when: { plans: ["gold"] }, version: "3", hardware: null },
        ],
      },
    ],
    ["--no-rules", { rules: [] }],
    [
      "--experiment sizes --arm small=1:50 --arm large=2:50",
      {
        experiment: {
          name: "sizes",
          arms: [
            { name: "small", version: "1", weight: 50 },
            { name: "large", version: "2", weight: 50 },
          ],
        },
      },
    ],
    [
      "--experiment sizes --experiment-sticky input --arm small=1:1 --arm large=2:1",
      {
        experiment: {
          ...{ name: "sizes", sticky: "input" },
          arms: [
            { name: "small", version: "1", weight: 1 },
            { name: "large", version: "2", weight: 1 },
          ],
        },
      },
    ],
    [
      "--experiment colours --arm old=1:1 --arm new=2:1",
      {
        experiment: {
          ...{ name: "colours", sticky: "credential" },
          arms: [
            { name: "old", version: "1", weight: 1 },
            { name: "new", version: "2", weight: 1 },
          ],
        },
      },
    ],
    ["--no-experiment", { experiment: null }],
    ["--shadow 3=25%", { shadow: { version: "3", share: 0.25 } }],
    ["--shadow 3=0.5", { shadow: { version: "3", share: 0.5 } }],
    ["--no-shadow", { shadow: null }],
    [
      "--fallback cached --fallback version=3 --fallback rule:label=0 --fallback rule:probabilities=(mean(pixels))",
      {
        fallback: [
          { kind: "cached" },
          { kind: "version", version: "3" },
          {
            kind: "rule",
            outputs: { label: { constant: 0 }, probabilities: { expression: "(mean(pixels))" } },
          },
        ],
      },
    ],
    ["--fallback off", { fallback: [] }],
    ["--deprecate 30d", { deprecation: { ...BUSY_CONTRACT.deprecation, at: DEPRECATED } }],
    ["--sunset 2027-06-02", { deprecation: { ...BUSY_CONTRACT.deprecation, sunset: SUNSET + 86_400_000 } }],
    [
      "--deprecation-link https://docs.example.com/moving",
      { deprecation: { ...BUSY_CONTRACT.deprecation, link: "https://docs.example.com/moving" } },
    ],
    ["--no-deprecation", { deprecation: null }],
    ["--signature-from 3", { signature: { from: "3" } }],
  ];
  for (const [options, changed] of changes) {
    test(`'${options}' changes that and nothing else`, async (context) => {
      const body = await change(context, `--contract 2 ${options}`);
      sentSchema.parse(body);
      assert.deepEqual(body, { ...whole, contracts: [CONTRACT, { ...BUSY_CONTRACT, ...changed }] });
    });
  }

  test("says nothing of an end without a deprecation", async (context) => {
    await assert.rejects(typed(context, routes, "set digits --sunset 90d", ROUTE), /go with --deprecate/);
  });

  test("changes the model and who may share answers", async (context) => {
    const body = await change(context, "--model digits-large --cache-scope shared");
    const { contracts } = ROUTE.route;
    assert.deepEqual(body, { revision: 12, model: "digits-large", contracts, cache: { ...cache, scope: "shared" } });
  });
});
