/** The short form of the kills of `npm run test:soak`. WARMGATE_FAULT_SEED=<n> has the same again that the test said it did. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seedFrom } from "../faults/pieces/seed.ts";
import { killUnderLoad } from "../soak/kill-under-load.ts";

const FOR_MS = 4_500;

test("whenever and however a serving process is ended under load, nobody is misled and nothing stays behind", {
  skip: process.platform === "linux" ? false : "processes are looked at in /proc",
}, async (t) => {
  const seed = seedFrom(process.env.WARMGATE_FAULT_SEED);
  const tell = (text: string) => {
    for (const line of text.split("\n")) t.diagnostic(line);
  };
  const { figures, broken } = await killUnderLoad({ seed, tell, forMs: FOR_MS, meanGapMs: 1_200, perSecond: 40 });
  for (const { label, measured } of figures) tell(`${label}: ${measured}`);
  assert.deepEqual(broken, []);
});
