import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { contractSchema, type RouteContract } from "../../protocol/model-route.ts";
import { chooseVersion, dependsOnInputs, type VersionAsk } from "./version-choice.ts";

const contract = (more: Record<string, unknown> = {}): RouteContract =>
  contractSchema.parse({
    contract: 1,
    signature: { inputs: [], outputs: [] },
    split: {
      versions: [
        { version: "1", weight: 90 },
        { version: "2", weight: 10 },
      ],
    },
    ...more,
  });
const ask = (more: Partial<VersionAsk> = {}): VersionAsk => ({
  ...{ route: "digits", pin: undefined, tenant: "acme", plan: "free", priority: "default" },
  keyOf: (by) => `${by}-key`,
  has: () => true,
  ...more,
});
const experiment = {
  name: "look",
  arms: [
    { name: "old", version: "1", weight: 1 },
    { name: "new", version: "3", weight: 1 },
  ],
};

describe("the choice of a version", () => {
  test("a pin comes before rules, rules before the experiment, the experiment before the split", () => {
    const rules = [{ when: { tenants: ["acme"] }, version: "4", hardware: "gpu" }];
    const all = contract({ rules, experiment });
    assert.deepEqual(chooseVersion(all, ask({ pin: "9" })), { version: "9", rule: { kind: "pin" }, hardware: null });
    assert.deepEqual(chooseVersion(all, ask()), { version: "4", rule: { kind: "rule", rule: 1 }, hardware: "gpu" });
    assert.equal(chooseVersion(all, ask({ tenant: "other" }))?.rule.kind, "experiment");
    assert.equal(chooseVersion(contract(), ask())?.rule.kind, "split");
  });

  test("a rule is for whom all of its conditions fit, and the first that fits counts", () => {
    const rules = [
      { when: { plans: ["gold"], priorities: ["critical"] }, version: "5" },
      { when: { priorities: ["critical", "batch"] }, version: "6" },
    ];
    const chosen = (more: Partial<VersionAsk>) => chooseVersion(contract({ rules }), ask(more))?.version;
    assert.equal(chosen({ plan: "gold", priority: "critical" }), "5");
    assert.equal(chosen({ plan: "free", priority: "critical" }), "6");
    assert.equal(chosen({ plan: "gold", priority: "batch" }), "6");
    assert.notEqual(chosen({ plan: "gold" }), "5");
  });

  test("what no node has is passed over, and what it would have got goes to the others", () => {
    const without =
      (...missing: string[]) =>
      (version: string) =>
        !missing.includes(version);
    const rules = [{ when: { tenants: ["acme"] }, version: "4" }];
    assert.equal(chooseVersion(contract({ rules }), ask({ has: without("4", "1") }))?.version, "2");
    assert.equal(chooseVersion(contract({ experiment }), ask({ has: without("3") }))?.version, "1");
    assert.equal(chooseVersion(contract(), ask({ has: without("1", "2") })), undefined);
  });

  test("a version without weight gets nothing, whatever the key", () => {
    const versions = [
      { version: "1", weight: 100 },
      { version: "2", weight: 0 },
    ];
    fc.assert(
      fc.property(fc.string(), (key) => {
        assert.equal(chooseVersion(contract({ split: { versions } }), ask({ keyOf: () => key }))?.version, "1");
      }),
    );
  });

  test("the share of the split and of the experiment's arms is theirs within 3 sigma, and the two are independent", () => {
    const keys = 40_000;
    const counts = { canary: 0, arm: 0, both: 0 };
    for (let key = 0; key < keys; key++) {
      const asked = ask({ keyOf: () => `user-${key}` });
      const canary = chooseVersion(contract(), asked)?.version === "2";
      const arm = chooseVersion(contract({ experiment }), asked)?.version === "3";
      if (canary) counts.canary++;
      if (arm) counts.arm++;
      if (canary && arm) counts.both++;
    }
    const within = (count: number, share: number) =>
      assert.ok(Math.abs(count - keys * share) <= 3 * Math.sqrt(keys * share * (1 - share)), `${count} for ${share}`);
    within(counts.canary, 0.1);
    within(counts.arm, 0.5);
    within(counts.both, 0.05);
  });

  test("what it keeps a version by is what the route says", () => {
    const byHeader = contract({ split: { ...contract().split, sticky: "header:x-user-id" } });
    const asked: string[] = [];
    chooseVersion(
      byHeader,
      ask({
        keyOf: (by) => {
          asked.push(by);
          return "k";
        },
      }),
    );
    assert.deepEqual(asked, ["header:x-user-id"]);
  });

  test("inputs need a digest only where they may decide", () => {
    const split = (sticky: string, ...weights: number[]) =>
      contract({
        split: { sticky, versions: weights.map((weight, index) => ({ version: String(index + 1), weight })) },
      });
    assert.ok(dependsOnInputs(split("input", 1, 1)));
    assert.ok(dependsOnInputs(split("header:x-user", 1, 1)));
    assert.ok(!dependsOnInputs(split("input", 1, 0)));
    assert.ok(!dependsOnInputs(split("tenant", 1, 1)));
    assert.ok(!dependsOnInputs(contract({ ...split("tenant", 1, 1), experiment })));
    assert.ok(dependsOnInputs(contract({ ...split("tenant", 1, 1), experiment: { ...experiment, sticky: "input" } })));
  });
});
