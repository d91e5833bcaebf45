import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contractSchema, modelRouteSchema, routedVersions, routeProblems } from "./model-route.ts";

const contract = {
  contract: 1,
  signature: { inputs: [], outputs: [] },
  split: { versions: [{ version: "1", weight: 1 }] },
};
const arms = [
  { name: "a", version: "1", weight: 1 },
  { name: "b", version: "2", weight: 1 },
];
const problemsOf = (...contracts: object[]) =>
  routeProblems({ contracts: contracts.map((more) => contractSchema.parse({ ...contract, ...more })) });

describe("model routes", () => {
  test("a plain one has no problems, and says what it leaves out", () => {
    assert.deepEqual(problemsOf({}), []);
    const route = modelRouteSchema.parse({ name: "digits", model: "digits", contracts: [contract] });
    assert.deepEqual(route.cache, { scope: "tenant", ttlSeconds: 3_600 });
    assert.equal(route.contracts[0]?.split.sticky, "input");
  });

  const wrong: [what: string, problem: RegExp, ...contracts: object[]][] = [
    ["two contracts of one number", /contract 1: it is there twice/, {}, {}],
    ["no weight at all", /must have a weight/, { split: { versions: [{ version: "1", weight: 0 }] } }],
    [
      "two weights of a version",
      /version 1 has two weights/,
      {
        split: {
          versions: [
            { version: "1", weight: 1 },
            { version: "1", weight: 2 },
          ],
        },
      },
    ],
    ["a rule for nobody", /rule 1 names neither/, { rules: [{ when: {}, version: "1" }] }],
    ["two arms of a name", /two arms a/, { experiment: { name: "x", arms: [arms[0], arms[0]] } }],
    [
      "arms without weight",
      /some arm/,
      { experiment: { name: "x", arms: arms.map((arm) => ({ ...arm, weight: 0 })) } },
    ],
    ["a shadow of the only version", /compared with itself/, { shadow: { version: "1", share: 1 } }],
    [
      "a shadow of the only version beside a fallback to another",
      /compared with itself/,
      { shadow: { version: "1", share: 1 }, fallback: [{ kind: "version", version: "2" }] },
    ],
    [
      "a fallback to the only version with a weight",
      /contract 1: the fallback to version 1 leads back/,
      {
        split: {
          versions: [
            { version: "1", weight: 1 },
            { version: "2", weight: 0 },
          ],
        },
        fallback: [{ kind: "version", version: "1" }],
      },
    ],
    ["a sunset before the deprecation", /sunset is before/, { deprecation: { at: 2, sunset: 1, link: null } }],
  ];
  for (const [what, problem, ...contracts] of wrong) {
    test(`${what} is told`, () => assert.match(problemsOf(...contracts).join(), problem));
  }

  test("a fallback may go to a version of the split that some requests are not for", () => {
    const fallback = [{ kind: "version", version: "1" }];
    assert.deepEqual(problemsOf({ fallback, rules: [{ when: { tenants: ["t"] }, version: "2" }] }), []);
    assert.deepEqual(problemsOf({ fallback, experiment: { name: "x", arms } }), []);
  });

  test("versions of the split, the rules, the arms, the shadow and the fallback are all routed, each told once", () => {
    const all = contractSchema.parse({
      ...contract,
      rules: [{ when: { tenants: ["t"] }, version: "3" }],
      experiment: { name: "x", arms },
      shadow: { version: "4", share: 0.5 },
      fallback: [{ kind: "cached" }, { kind: "version", version: "5" }, { kind: "version", version: "1" }],
    });
    assert.deepEqual(routedVersions(all), ["1", "3", "2", "4", "5"]);
  });

  test("unknown fields are refused, in the route and in what it holds", () => {
    const refused = (route: object) =>
      assert.ok(!modelRouteSchema.safeParse({ name: "m", model: "m", ...route }).success);
    refused({ contracts: [contract], extra: 1 });
    refused({ contracts: [{ ...contract, weigths: [] }] });
    refused({ contracts: [{ ...contract, split: { ...contract.split, sticky: "header:authorization" } }] });
  });
});
