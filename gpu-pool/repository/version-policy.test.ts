import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { planVersions, type VersionPolicy, versionPolicySchema } from "./version-policy.ts";

const VERSIONS = ["10", "2", "1", "3"];

describe("a version policy", () => {
  test("all: every version, lowest first", () => {
    assert.deepEqual(planVersions("all", VERSIONS), { candidates: ["1", "2", "3", "10"], most: 4, excluded: [] });
  });

  test("latest: the highest by number are tried first, so many of them are wanted", () => {
    const { candidates, most } = planVersions({ latest: 2 }, VERSIONS);
    assert.deepEqual([candidates, most], [["10", "3", "2", "1"], 2]);
  });

  test("specific: those and no others, as far as they are there", () => {
    const { candidates, excluded } = planVersions({ specific: ["3", "1", "7"] }, VERSIONS);
    assert.deepEqual(
      [candidates, excluded],
      [
        ["1", "3"],
        ["2", "10"],
      ],
    );
  });

  test("whatever the policy, every version in the repository is either a candidate or excluded", () => {
    const version = fc.integer({ min: 1, max: 30 }).map(String);
    const policy = fc.oneof(
      fc.constant<VersionPolicy>("all"),
      fc.record({ latest: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ specific: fc.uniqueArray(version, { minLength: 1, maxLength: 5 }) }),
    );
    fc.assert(
      fc.property(policy, fc.uniqueArray(version, { maxLength: 10 }), (given, versions) => {
        const { candidates, excluded } = planVersions(given, versions);
        assert.deepEqual([...candidates, ...excluded].sort(), [...versions].sort());
      }),
    );
  });

  test("what is no policy is refused", () => {
    for (const given of [
      "latest",
      { latest: 0 },
      { latest: 1.5 },
      { specific: [] },
      { specific: ["0"] },
      { specific: [1] },
      { specific: ["1", "1"] },
      { latest: 1, specific: ["1"] },
    ]) {
      assert.equal(versionPolicySchema.safeParse(given).success, false, JSON.stringify(given));
    }
  });
});
