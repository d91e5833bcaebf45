import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { planProblems, rolloutPlanSchema } from "./rollout-plan.ts";

const problems = (plan: object) => planProblems(rolloutPlanSchema.parse(plan));

describe("a rollout's plan", () => {
  test("has defaults that go together", () => {
    assert.deepEqual(rolloutPlanSchema.parse({}), {
      steps: [20, 50, 100],
      stepSeconds: 60,
      stepRequests: 100,
      shadowShare: 0.2,
      guards: { errorRatio: 1.5, p99Ratio: 1.5, agreement: 0.9, nonFinite: true },
    });
    assert.deepEqual(problems({}), []);
    assert.deepEqual(rolloutPlanSchema.parse({ guards: { errorRatio: null } }).guards.p99Ratio, 1.5);
  });

  test("ascends to 100 and knows no other keys", () => {
    for (const steps of [[], [5, 50], [5, 5, 100], [50, 25, 100], [0, 100], [2.5, 100], [100, 101]]) {
      assert.ok(!rolloutPlanSchema.safeParse({ steps }).success, JSON.stringify(steps));
    }
    assert.ok(!rolloutPlanSchema.safeParse({ guards: { latency: 2 } }).success);
    assert.ok(!rolloutPlanSchema.safeParse({ pause: 60 }).success);
  });

  test("that guards agreement without shadows is told what is wrong", () => {
    assert.match(problems({ shadowShare: 0 }).join(), /agreement .* shadowShare is 0/);
    assert.deepEqual(problems({ shadowShare: 0, guards: { agreement: null } }), []);
  });

  test("that leaves the guards nothing to compare with is told so", () => {
    assert.match(problems({ steps: [100] }).join(), /begin below 100/);
    const guards = { errorRatio: null, p99Ratio: null, agreement: null, nonFinite: false };
    assert.deepEqual(problems({ steps: [100], guards }), []);
  });
});
