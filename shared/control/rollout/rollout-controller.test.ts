import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { newDistribution, observe } from "../distribution.ts";
import { abortedBy, candidatePercentage, next, promotedBy, started } from "./rollout-controller.ts";
import { newEvidence, type RolloutEvidence } from "./rollout-evidence.ts";
import { planProblems, type RolloutPlan, rolloutPlanSchema } from "./rollout-plan.ts";
import { type Decision, type RolloutState, type Running, rolloutStateSchema } from "./rollout-state.ts";

interface Version {
  readonly requests: number;
  readonly errors?: number;
  readonly nonFinite?: number;
  readonly ms?: number;
}
const TICK_MS = 2_000;
const plan = rolloutPlanSchema.parse({});
const NOBODY = { requests: 0 };

const version = ({ requests, errors = 0, nonFinite = 0, ms = 20 }: Version) => {
  const latencyMs = newDistribution();
  if (requests > errors) observe(latencyMs, ms, requests - errors);
  return { requests, errors, nonFinite, latencyMs };
};
const tick = (stable: Version, candidate: Version, agreeing = 20, compared = 20): RolloutEvidence => ({
  stable: version(stable),
  candidate: version(candidate),
  shadow: stable.requests && candidate.requests ? { compared, agreeing } : { compared: 0, agreeing: 0 },
});
const GOOD = tick({ requests: 80 }, { requests: 25 });

/** Ticks until the rollout has ended, or so many. */
const run = (evidence: (second: number, state: Running) => RolloutEvidence, seconds = 600, by: RolloutPlan = plan) => {
  let state: RolloutState = started(0);
  const decisions: { second: number; decision: Decision }[] = [];
  for (let now = TICK_MS; now <= seconds * 1000 && state.kind === "running"; now += TICK_MS) {
    const after = next(by, state, evidence(now / 1000, state), now);
    state = after.state;
    decisions.push({ second: now / 1000, decision: after.decision });
  }
  return { state, decisions, moves: decisions.filter(({ decision }) => decision.kind !== "hold") };
};

const requests = fc.integer({ min: 0, max: 60 });
const anyVersion = fc
  .record({ requests, errors: fc.constantFrom(...Array(30).fill(0), 1), ms: fc.constantFrom(20, 22) })
  .map(({ requests, errors, ms }) => ({ requests, errors: Math.min(requests, errors), ms }));
const anyTick = fc
  .record({ stable: anyVersion, candidate: anyVersion })
  .map(({ stable, candidate }) => tick(stable, candidate));
const anyPlan = fc
  .record({
    steps: fc
      .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 4 })
      .map((some) => [...some.sort((a, b) => a - b), 100]),
    stepSeconds: fc.integer({ min: 1, max: 30 }),
    stepRequests: fc.integer({ min: 1, max: 100 }),
  })
  .map((some) => rolloutPlanSchema.parse(some))
  .filter((some) => planProblems(some).length === 0);

describe("a rollout", () => {
  test("of a good candidate goes through the plan's steps, each as long as it should be, and is promoted", () => {
    const { state, moves } = run(() => GOOD);
    assert.deepEqual(
      moves.map(({ second, decision }) => [second, decision.kind === "advance" ? decision.percentage : decision.kind]),
      [
        [60, 50],
        [120, 100],
        [180, "promote"],
      ],
    );
    assert.equal(state.kind, "promoted");
    assert.equal(candidatePercentage(plan, state), 100);
  });

  test("never leaves a step before its time, its requests and five looks of its guards, nor skips one, whatever is told", () => {
    fc.assert(
      fc.property(anyPlan, fc.array(anyTick, { minLength: 60, maxLength: 150 }), (by, ticks) => {
        let state: RolloutState = started(0);
        for (const [index, evidence] of ticks.entries()) {
          if (state.kind !== "running") return;
          const before: Running = state;
          const now = (index + 1) * TICK_MS;
          const after = next(by, before, evidence, now);
          state = after.state;
          const { kind, figures } = after.decision;
          if (kind !== "advance" && kind !== "promote") continue;
          assert.ok(now - before.since >= by.stepSeconds * 1000);
          assert.ok(figures.candidateRequests! >= by.stepRequests);
          assert.ok(index >= 4);
          if (kind === "advance") assert.ok(figures.stableRequests! >= by.stepRequests);
          assert.equal(candidatePercentage(by, state), kind === "promote" ? 100 : by.steps[before.step + 1]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("waits for requests when there are few", () => {
    const few = run(() => tick({ requests: 80 }, { requests: 1 }), 190);
    assert.equal(few.decisions[60]!.decision.kind === "hold" && few.decisions[60]!.decision.reason, "requests");
    assert.deepEqual(
      few.moves.map(({ second }) => second),
      [],
    );
    assert.equal(run(() => tick({ requests: 80 }, { requests: 1 }), 200).moves[0]!.second, 200);
  });

  for (const [silent, evidence] of [
    ["the candidate", tick({ requests: 80 }, NOBODY)],
    ["the stable version", tick(NOBODY, { requests: 25 })],
    ["anybody", newEvidence()],
  ] as const) {
    test(`never advances when nothing is heard of ${silent}, from the start or from when it was about to`, () => {
      for (const heardUntil of [0, 28]) {
        const { moves, decisions } = run((second) => (second <= heardUntil ? GOOD : evidence), 3_600);
        assert.deepEqual(moves, []);
        const { decision } = decisions.at(-1)!;
        assert.ok(decision.kind === "hold" && decision.reason === "no_data");
      }
    });
  }

  test("needs only the candidate once it has all traffic", () => {
    const { moves } = run((_, { step }) => (step < 2 ? GOOD : tick(NOBODY, { requests: 100 })));
    assert.equal(moves.at(-1)!.decision.kind, "promote");
  });

  test("is told by operators how it ends", () => {
    const { state } = run(() => GOOD, 30);
    assert.ok(state.kind === "running");
    const aborted = abortedBy(plan, state, "kid-1", 31_000);
    assert.deepEqual([aborted.kind, aborted.by], ["aborted", { kind: "operator", actor: "kid-1" }]);
    assert.equal(candidatePercentage(plan, aborted), 0);
    const promoted = promotedBy(plan, state, "kid-1", 31_000);
    assert.equal(candidatePercentage(plan, promoted), 100);
    assert.equal(promoted.figures.candidateRequests, 15 * 25);
  });

  test("leaves what it is handed as it was, and can be stored at any moment", () => {
    fc.assert(
      fc.property(fc.array(anyTick, { maxLength: 60 }), (ticks) => {
        let state: RolloutState = started(0);
        for (const [index, evidence] of ticks.entries()) {
          if (state.kind !== "running") break;
          const before: object = structuredClone({ state, evidence });
          const after = next(plan, state, evidence, (index + 1) * TICK_MS);
          assert.deepEqual({ state, evidence }, before);
          state = after.state;
        }
        assert.deepEqual(rolloutStateSchema.parse(JSON.parse(JSON.stringify(state))), state);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a guard", () => {
  const BAD: [string, keyof RolloutPlan["guards"], RolloutEvidence, string][] = [
    ["more errors", "errorRatio", tick({ requests: 80 }, { requests: 25, errors: 3 }), "candidateErrorRate"],
    ["what is twice as slow", "p99Ratio", tick({ requests: 80 }, { requests: 25, ms: 40 }), "candidateP99Ms"],
    ["other answers", "agreement", tick({ requests: 80 }, { requests: 25 }, 12), "agreement"],
    [
      "numbers that are none",
      "nonFinite",
      tick({ requests: 80 }, { requests: 25, nonFinite: 3 }),
      "candidateNonFiniteRate",
    ],
  ];
  for (const [what, guard, evidence, figure] of BAD) {
    test(`aborts for ${what} within half a minute, with figures, and takes all traffic back`, () => {
      const { state, decisions } = run(() => evidence);
      const { second, decision } = decisions.at(-1)!;
      assert.ok(decision.kind === "abort" && decision.guard === guard);
      assert.ok(second >= 10 && second <= 30, `after ${second} s`);
      assert.ok(decision.figures[figure] !== undefined && decision.figures[`${guard}EValue`]! >= 1e5);
      assert.ok(state.kind === "aborted");
      assert.deepEqual(state.figures, decision.figures);
      assert.equal(candidatePercentage(plan, state), 0);
    });

    test(`that is off does not abort for ${what}`, () => {
      const off = rolloutPlanSchema.parse({ guards: { [guard]: guard === "nonFinite" ? false : null } });
      assert.equal(run(() => evidence, 600, off).state.kind, "promoted");
    });
  }

  test("does not abort for what both versions do", () => {
    const both = { errors: 3, nonFinite: 3, ms: 4_000 };
    const evidence = (second: number) =>
      second % 40 < 10 ? tick({ requests: 80, ...both }, { requests: 25, errors: 1, nonFinite: 1, ms: 4_000 }) : GOOD;
    assert.equal(run(evidence).state.kind, "promoted");
  });

  test("does not abort for a moment in which everything failed", () => {
    const evidence = (second: number) => (second === 30 ? tick({ requests: 80 }, { requests: 25, errors: 25 }) : GOOD);
    assert.equal(run(evidence).state.kind, "promoted");
  });

  test("that is suspicious holds the step, for as long as it is", () => {
    const evidence = (second: number) =>
      second > 50 && second <= 58 ? tick({ requests: 80 }, { requests: 25, errors: 2 }) : GOOD;
    const { decisions, moves } = run((second) => evidence(second), 70);
    assert.ok(decisions.some(({ decision }) => decision.kind === "hold" && decision.reason === "suspicion"));
    assert.deepEqual(moves, []);
    const later = (second: number) =>
      second > 70 ? tick({ requests: 80, errors: 3 }, { requests: 25 }) : evidence(second);
    assert.equal(run(later, 300).moves[0]!.decision.kind, "advance");
  });

  test("rests when all traffic is the candidate's: the step before carries the proof", () => {
    const evidence = (_: number, { step }: Running) => (step < 2 ? GOOD : tick(NOBODY, { requests: 100, errors: 50 }));
    assert.equal(run(evidence).state.kind, "promoted");
  });

  test("loses nothing of a candidate that answers while nobody asks the stable version", () => {
    const evidence = (second: number) =>
      second % 20 === 0 ? tick({ requests: 8 }, NOBODY) : tick(NOBODY, { requests: 1, errors: 1 });
    const { decision } = run(evidence).decisions.at(-1)!;
    assert.ok(decision.kind === "abort" && decision.guard === "errorRatio");
  });
});
