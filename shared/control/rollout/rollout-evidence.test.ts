import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { newDistribution, observe } from "../distribution.ts";
import {
  addEvidence,
  evidenceSum,
  newEvidence,
  type RolloutEvidence,
  rolloutEvidenceSchema,
} from "./rollout-evidence.ts";

const latencies = fc.array(fc.double({ min: 0.1, max: 1e4, noNaN: true }), { maxLength: 20 });
const version = fc.record({ latencies, errors: fc.nat(9), nonFinite: fc.nat(9) }).map(({ latencies, ...counts }) => {
  const latencyMs = newDistribution();
  for (const value of latencies) observe(latencyMs, value);
  return { requests: latencies.length + 9, ...counts, latencyMs };
});
const shadow = fc.record({ agreeing: fc.nat(9), differing: fc.nat(9) });
const evidence: fc.Arbitrary<RolloutEvidence> = fc
  .record({ stable: version, candidate: version, shadow })
  .map(({ shadow: { agreeing, differing }, ...versions }) => ({
    ...versions,
    shadow: { compared: agreeing + differing, agreeing },
  }));

describe("evidence", () => {
  test("adds up to the same in any order, and stays evidence", () => {
    fc.assert(
      fc.property(evidence, evidence, evidence, (a, b, c) => {
        const sum = evidenceSum(a, evidenceSum(b, c));
        assert.deepEqual(evidenceSum(evidenceSum(c, b), a), sum);
        assert.deepEqual(rolloutEvidenceSchema.parse(sum), sum);
        assert.equal(
          sum.stable.latencyMs.count,
          [a, b, c].reduce((total, { stable }) => total + stable.latencyMs.count, 0),
        );
      }),
    );
  });

  test("is a sum of which no part has changed", () => {
    fc.assert(
      fc.property(evidence, evidence, (a, b) => {
        const before = structuredClone([a, b]);
        const sum = evidenceSum(a, b);
        assert.deepEqual([a, b], before);
        addEvidence(a, b);
        assert.deepEqual(a, sum);
        assert.deepEqual(evidenceSum(newEvidence(), b), b);
      }),
    );
  });

  test("of more than was requested is refused", () => {
    for (const more of [{ errors: 1 }, { nonFinite: 1 }, { latencyMs: { count: 1, buckets: { 0: 1 } } }]) {
      const odd = newEvidence();
      Object.assign(odd.candidate, more);
      assert.ok(!rolloutEvidenceSchema.safeParse(odd).success, JSON.stringify(more));
    }
    assert.ok(!rolloutEvidenceSchema.safeParse({ ...newEvidence(), shadow: { compared: 1, agreeing: 2 } }).success);
  });
});
