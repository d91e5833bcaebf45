import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { routes } from "./admin.ts";
import { ROUTE } from "./route-example.ts";
import { sent, typed } from "./scripted-api.ts";

describe("routes", () => {
  test("show is a page with each contract, its weights in percent, its rules and its arms", async (context) => {
    const rollout = { id: "r", contract: 1, stable: "1", candidate: "2", shadowShare: 0.2 };
    const answer = { ...ROUTE, route: { ...ROUTE.route, rollout } };
    const { printed, asked } = await typed(context, routes, "show digits", answer);
    assert.equal(sent(asked)[0]?.path, "routes/digits");
    const [about, first, weights, second, , rules, arms] = printed.split("\n\n");
    assert.equal(about, "route     digits\nmodel     digits-small\ncache     by tenant, 1h\nrevision  12");
    assert.match(first ?? "", /^contract +1$/m);
    assert.match(first ?? "", /^inputs +pixels FP32\[-1,64\]$/m);
    assert.match(first ?? "", /^outputs +label INT64\[-1\], probabilities FP32\[-1,10\]$/m);
    assert.match(first ?? "", /^rollout +1 -> 2, shadows of 20% of the requests$/m);
    assert.equal(weights, "VERSION  WEIGHT  SHARE\n1             1   100%");
    assert.match(second ?? "", /^sticky +by tenant$/m);
    assert.match(second ?? "", /^hardware +cpu$/m);
    assert.match(second ?? "", /^experiment +colours, sticky by credential$/m);
    assert.match(second ?? "", /^shadow +version 2, of 10% of the requests$/m);
    assert.match(second ?? "", /^deprecation +from 2027-01-31T00:00:00Z on, ends 2027-06-01T00:00:00Z$/m);
    assert.match(second ?? "", /^rollout +-$/m);
    assert.match(rules ?? "", /^ +1 {2}tenant=acme,tenant=bolt,plan=free {2}2 +nvidia-h200$/m);
    assert.match(arms ?? "", /^new +2 +3 +75%$/m);
  });

  test("show has a contract's fallback chain, and its rules a line an output", async (context) => {
    const fallback = [
      { kind: "cached" },
      { kind: "version", version: "1" },
      { kind: "rule", outputs: { label: { constant: 0 }, probabilities: { expression: "mean(pixels)" } } },
    ];
    const contracts = [{ ...ROUTE.route.contracts[0], fallback }];
    const answer = { ...ROUTE, route: { ...ROUTE.route, contracts } };
    const { printed } = await typed(context, routes, "show digits", answer);
    const [, about, , rules] = printed.split("\n\n");
    assert.match(about ?? "", /^fallback +cached -> version 1 -> rule$/m);
    assert.equal(rules, "OUTPUT         FALLBACK RULE\nlabel          0\nprobabilities  (mean(pixels))");
  });

  test("ls has a line a contract, and says when there are more", async (context) => {
    const { printed, noted, asked } = await typed(context, routes, "ls --limit 1", { items: [ROUTE], next: "digits" });
    assert.equal(asked[0]?.url, "/admin/v1/routes?limit=1");
    const [, first, second] = printed.split("\n");
    assert.match(first ?? "", /^digits +1 {2}digits-small {2}1=1 .* 12$/);
    assert.match(second ?? "", /^digits +2 {2}digits-small {2}1=2 2=1 +1 {2}colours +2=10% +- +12$/);
    assert.equal(noted, "There is more: add --after digits");
  });

  test("with --json print what the server answered", async (context) => {
    const answer = { ...ROUTE, region: "eu" };
    const { printed } = await typed(context, routes, "show digits --json", answer);
    assert.deepEqual(JSON.parse(printed), answer);
  });

  test("check says whether a version would be taken, and its exit code says it too", async (context) => {
    const verdict = { route: "digits", contract: 1, model: "digits-small", version: "2", compatible: true };
    const fits = await typed(context, routes, "check digits --version 2", { ...verdict, differences: [] });
    assert.deepEqual([fits.code, fits.noted], [0, ""]);
    assert.equal(fits.asked[0]?.url, "/admin/v1/routes/digits/check?version=2");
    assert.equal(fits.printed, "No differences: the same inputs and outputs.");
    const [from, to] = [64, 128].map((width) => ({ datatype: "FP32", shape: [-1, width] }));
    const difference = { kind: "dimension_changed", side: "input", tensor: "pixels", from, to, breaking: true };
    const answer = { ...verdict, compatible: false, differences: [difference] };
    const breaks = await typed(context, routes, "check digits --version 2 --contract 1", answer);
    assert.equal(breaks.asked[0]?.url, "/admin/v1/routes/digits/check?version=2&contract=1");
    assert.equal(breaks.code, 1);
    assert.match(breaks.printed, /^input pixels +dimension changed +FP32\[-1,64\] +FP32\[-1,128\] +breaking$/m);
    assert.match(breaks.printed, /^Not compatible: 1 of 1 differences would break callers of contract 1 of digits\.$/m);
    assert.match(breaks.noted, /version 2 of digits-small would break contract 1 of digits \(invalid_configuration\)$/);
    const programs = await typed(context, routes, "check digits --version 2 --json", answer);
    assert.deepEqual([programs.code, JSON.parse(programs.printed)], [1, answer]);
  });

  test("check without a version, or with none that is one, is wrong usage", async (context) => {
    for (const [line, told] of [
      ["check digits", /--version <version> is missing/],
      ["check digits --version new", /--version/],
      ["check digits --version 1 --contract 0", /--contract/],
    ] as const) {
      await assert.rejects(typed(context, routes, line, {}), told);
    }
  });

  test("rm sends a DELETE", async (context) => {
    const { printed, asked } = await typed(context, routes, "rm digits", ROUTE);
    assert.deepEqual(sent(asked), [{ method: "DELETE", path: "routes/digits", body: undefined }]);
    assert.match(printed, /^Route digits is removed/);
  });
});
