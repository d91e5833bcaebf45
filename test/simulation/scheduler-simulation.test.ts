/** What the scheduler promises under load, on a simulated device: minutes of traffic in seconds, from a seed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bursts, CAPACITY, DEADLINE_MS, poisson, run } from "./curves.ts";
import type { StreamOutcome } from "./experiment.ts";
import { fifoWithTimer, warmgate } from "./subjects.ts";

const OPTIONS = { seconds: 6, seed: 7 };

async function one(load: number): Promise<StreamOutcome> {
  const { streams } = await run(warmgate, [poisson(load)], OPTIONS);
  return streams[0]!;
}

describe("the scheduler on a simulated device", () => {
  for (const load of [1.25, 1.5, 2, 4]) {
    test(`at ${load} times the capacity goodput stays at 95 % of it, and what is taken in is in time`, async () => {
      const outcome = await one(load);
      assert.ok(outcome.goodputPerSecond >= 0.95 * CAPACITY, `goodput ${outcome.goodputPerSecond} of ${CAPACITY}`);
      assert.ok(outcome.p99Ms <= DEADLINE_MS, `p99 ${outcome.p99Ms}`);
      const admitted = outcome.offered - outcome.refused;
      assert.ok(outcome.late + outcome.gaveUp <= 0.005 * admitted, `${outcome.late + outcome.gaveUp} of ${admitted}`);
    });
  }

  test("bursts at twice the capacity for half of the time are mostly served: the queue holds them", async () => {
    const { streams } = await run(warmgate, [bursts(0.7)], OPTIONS);
    assert.ok(streams[0]!.attainment > 0.95, `attainment ${streams[0]!.attainment}`);
  });

  test("nothing is refused at half the load", async () => {
    const outcome = await one(0.5);
    assert.equal(outcome.good, outcome.offered);
  });

  test("next to no row comes too late: only what a run overruns its own spread by", async () => {
    for (const load of [0.9, 1.5, 4]) {
      const { deadShare } = await run(warmgate, [poisson(load)], OPTIONS);
      assert.ok(deadShare < 0.001, `at load ${load}: ${deadShare}`);
    }
  });

  test("critical requests get through a flood of sheddable ones", async () => {
    const streams = [
      { ...poisson(0.3), priority: "critical" },
      { ...poisson(3), priority: "sheddable" },
    ] as const;
    const [critical, sheddable] = (await run(warmgate, streams, OPTIONS)).streams;
    assert.ok(critical!.attainment >= 0.999, `critical ${critical!.attainment}`);
    assert.ok(sheddable!.goodputPerSecond > 0.6 * CAPACITY, "what is left of the device is used");
  });

  test("a tenant at its share does not notice that another one offers fifty times its own", async () => {
    const p99 = async (factor: number) => {
      const streams = [
        { ...poisson(0.45), tenant: "victim" },
        { ...poisson(0.45 * factor), tenant: "other" },
      ];
      return (await run(warmgate, streams, OPTIONS)).streams[0]!;
    };
    const [calm, flooded] = [await p99(1), await p99(50)];
    assert.equal(flooded.attainment, 1);
    assert.ok(flooded.p99Ms <= 1.2 * calm.p99Ms, `p99 from ${calm.p99Ms} to ${flooded.p99Ms} ms`);
  });

  test("the usual batcher collapses in the same simulation, so it can tell", async () => {
    const { streams, deadShare } = await run(fifoWithTimer, [poisson(1.5)], OPTIONS);
    assert.ok(streams[0]!.goodputPerSecond < 0.1 * CAPACITY);
    assert.ok(deadShare > 0.9);
  });

  test("the same seed gives the same result, another one another", async () => {
    const seeded = (seed: number) => run(warmgate, [poisson(1.2)], { seconds: 3, seed });
    assert.deepEqual(await seeded(3), await seeded(3));
    assert.notDeepEqual(await seeded(3), await seeded(4));
  });
});
