import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RunDeaths } from "./run-deaths.ts";

const MINUTE = 60_000;
const artefact = (model: string, digest = "d") => ({ model, version: "1", digest });
const BAD = artefact("bad");

/** Three deaths a second apart. @returns for how long the model is left out, in milliseconds */
function threeTimes(deaths: RunDeaths, from: number): number | undefined {
  assert.equal(deaths.died(BAD, from), undefined);
  assert.equal(deaths.died(BAD, from + 1_000), undefined);
  return deaths.died(BAD, from + 2_000)?.forMs;
}

describe("a model whose runs bring down the process", () => {
  test("is left out at the third time, with the reason, until its time is over", () => {
    const deaths = new RunDeaths();
    assert.equal(threeTimes(deaths, 0), MINUTE);
    assert.deepEqual(deaths.entries(32_000), [
      {
        ...BAD,
        reason:
          "its runs brought down the serving process 3 times; it is left out for 30 s, or until its files change or it is " +
          "loaded by name",
        forMs: 30_000,
      },
    ]);
    assert.deepEqual(deaths.entries(2_000 + MINUTE), []);
  });

  test("is left out for twice as long each time, for an hour at most, and from the start after two quiet hours", () => {
    const deaths = new RunDeaths();
    let now = 0;
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      assert.equal(threeTimes(deaths, now), minutes * MINUTE);
      now += 2_000 + minutes * MINUTE;
    }
    assert.equal(threeTimes(deaths, now + 121 * MINUTE), MINUTE);
  });

  test("is not left out for deaths that are far apart, nor for another model's or another file's", () => {
    const deaths = new RunDeaths();
    for (let death = 0; death < 10; death++) {
      assert.equal(deaths.died(BAD, death * 6 * MINUTE), undefined);
      assert.equal(deaths.died(artefact(`other-${death}`), death * 6 * MINUTE), undefined);
      assert.equal(deaths.died(artefact("bad", `changed-${death}`), death * 6 * MINUTE), undefined);
    }
  });

  test("is not left out any more once it was loaded by name, and three further times are needed", () => {
    const deaths = new RunDeaths();
    threeTimes(deaths, 0);
    deaths.began(BAD, 3_000);
    assert.deepEqual(deaths.entries(3_000), []);
    assert.equal(threeTimes(deaths, 4_000), 2 * MINUTE);
  });

  test("is forgotten behind 64 others, so that what is kept is bounded", () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: MINUTE })), {
      maxLength: 1_000,
    });
    fc.assert(
      fc.property(steps, (deathsOf) => {
        const deaths = new RunDeaths();
        let now = 0;
        for (const [model, laterMs] of deathsOf) {
          now += laterMs;
          const left = deaths.died(artefact(String(model)), now);
          if (left) assert.ok(deaths.entries(now).some(({ model: name }) => name === left.model));
          assert.ok(deaths.entries(now).length <= 64);
        }
      }),
    );
  });
});
