/** Faults in an order that nobody thought of. WARMGATE_FAULT_SEED=<n> has the same again that the test said it did. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seedFrom } from "./pieces/seed.ts";
import { randomSchedule } from "./scenarios/random-schedule.ts";

const FOR_MS = 8_000;

test("whatever happens to three nodes, one at a time, nobody gets a wrong answer and all is well afterwards", async (t) => {
  const seed = seedFrom(process.env.WARMGATE_FAULT_SEED);
  const tell = (text: string) => {
    for (const line of text.split("\n")) t.diagnostic(line);
  };
  const { figures, broken } = await randomSchedule({ seed, tell, nodes: 3, forMs: FOR_MS, perSecond: 50 });
  for (const { label, measured } of figures) tell(`${label}: ${measured}`);
  assert.deepEqual(broken, []);
  for (const { label, measured, target, met } of figures)
    assert.ok(met, `seed ${seed}: ${label} ${measured}, not ${target}`);
});
