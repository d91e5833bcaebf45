/** What the rollout controller promises, in a world of callers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { againstLarger, againstRatio, againstShare } from "../../../shared/control/rollout/likelihood-ratio.ts";
import { eValue, newTest, updated } from "../../../shared/control/rollout/sequential-test.ts";
import { Random } from "../limits/random.ts";
import { BAD, rollouts, SAME, type Scenario, TOLERABLE, TURNS_BAD } from "./scenarios.ts";
import { simulateRollout } from "./world.ts";

const SEEDS = [1, 2, 3];
const DAY = 86_400;

describe("rollouts at 50 requests a second", () => {
  for (const scenario of [...BAD, TURNS_BAD]) {
    test(`a candidate that ${isOrDoes(scenario)} is rolled back within a minute, in 99 of 100 cases, and never promoted`, () => {
      for (const seed of SEEDS) {
        const { promoted, seconds } = rollouts(scenario, 200, seed);
        assert.equal(promoted, 0);
        const soon = seconds.filter((after) => after < 60).length / seconds.length;
        assert.ok(soon >= 0.99, `${soon} of them; median ${seconds[100]} s, worst ${seconds.at(-1)} s`);
      }
    });
  }

  test("a candidate with errors, or other answers, has no more than the first step's traffic until then", () => {
    for (const scenario of BAD.slice(1)) assert.equal(rollouts(scenario, 100, 4).largestPercentage, 20, scenario.name);
  });

  for (const [scenario, runs] of [
    [SAME, 200],
    [TOLERABLE, 1_000],
  ] as const) {
    test(`a candidate that ${isOrDoes(scenario)} is promoted in all of ${runs} rollouts`, () => {
      const { promoted, aborted } = rollouts(scenario, runs, 5);
      assert.deepEqual([promoted, aborted], [runs, {}]);
    });
  }
});

describe("a rollout that hears nothing", () => {
  for (const [heard, perSecond] of [
    [{ stable: false, candidate: false }, 0.01],
    [{ stable: true, candidate: false }, 5],
  ] as const) {
    test(`of ${heard.stable ? "the candidate" : "both versions"} has not moved after a day`, () => {
      const { state, percentage } = simulateRollout({ ...SAME, heard, perSecond, seconds: DAY, seed: 6 });
      assert.equal(state.kind, "running");
      assert.equal(percentage, 20);
    });
  }
});

describe("tests that are looked at 300 times", () => {
  const TALLIES: Record<string, (random: Random) => readonly number[] | undefined> = {
    "a share that is what is allowed": (random) => againstShare(0.1, { events: happened(random, 0.1, 20), of: 20 }),
    "a rate that is the allowed multiple of the other's": (random) =>
      againstRatio(1.5, { events: happened(random, 0.03, 20), of: 20 }, { events: happened(random, 0.02, 80), of: 80 }),
    "values that are distributed as the other's": (random) => {
      const classes = (of: number) => {
        const low = happened(random, 0.5, of);
        const middle = happened(random, 0.9, of - low);
        return [low, middle, of - low - middle];
      };
      return againstLarger([0.5, 0.45, 0.05], [[1, 1.5, 3]], classes(20), classes(80));
    },
  };
  for (const [what, look] of Object.entries(TALLIES)) {
    test(`suspect ${what} at any of them in at most one of twenty cases`, () => {
      const random = new Random(7);
      let suspected = 0;
      for (let run = 0; run < 1_000; run++) {
        let state = newTest();
        let worst = 0;
        for (let looks = 0; looks < 300; looks++) {
          state = updated(state, look(random));
          worst = Math.max(worst, eValue(state));
        }
        if (worst >= 20) suspected++;
      }
      assert.ok(suspected <= 50, `${suspected} of 1,000`);
      assert.ok(suspected > 0, "a test that never suspects anything shows nothing");
    });
  }
});

function happened(random: Random, probability: number, of: number): number {
  let times = 0;
  for (let request = 0; request < of; request++) if (random.chance(probability)) times++;
  return times;
}

function isOrDoes({ name }: Scenario): string {
  return /^(errors|non)/.test(name) ? `has ${name}` : /^agrees/.test(name) ? name : `is ${name}`;
}
