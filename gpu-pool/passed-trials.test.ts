import assert from "node:assert/strict";
import { test } from "node:test";
import { PassedTrials } from "./passed-trials.ts";

const trial = (digest: string) => ({
  digest,
  report: { signature: { inputs: [], outputs: [] }, opsets: {}, memoryBytes: 1, loadMs: 1 },
});

test("trials that have passed are kept once a digest, the latest 1,024 of them", () => {
  const trials = new PassedTrials();
  for (let count = 0; count < 1_025; count++) {
    trials.add(trial("again"));
    trials.add(trial(String(count)));
  }
  const digests = trials.all.map(({ digest }) => digest);
  assert.equal(digests.length, 1_024);
  assert.equal(new Set(digests).size, 1_024);
  assert.deepEqual([digests[0], digests.at(-2), digests.at(-1)], ["2", "again", "1024"]);
});
