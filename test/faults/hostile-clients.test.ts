/** Clients that mean no good, at the edge and at the pool itself. The long form is `npm run test:faults`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostileFlood } from "./scenarios/hostile-flood.ts";

test("whatever is sent is answered or refused, and leaves everybody else served", async (t) => {
  const { figures, broken } = await hostileFlood({ seed: 1, requests: 2_000, tell: (line) => t.diagnostic(line) });
  for (const { label, measured } of figures) t.diagnostic(`${label}: ${measured}`);
  assert.deepEqual(broken, []);
  for (const { label, measured, target, met } of figures) assert.ok(met, `${label}: ${measured}, not ${target}`);
});
