import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Loading, runsOf, warmUpRunsOf } from "./loading.ts";
import type { ServingMessage } from "./process-messages.ts";

const ARTEFACT = { model: "m", version: "1", digest: "d" };

describe("what is being loaded", () => {
  test("is told before it is, and when it is over, well or not", async () => {
    const told: ServingMessage[] = [];
    const loading = new Loading((message) => void told.push(message));
    const atBegin = await loading.during(ARTEFACT, async () => told.length);
    await assert.rejects(loading.during(ARTEFACT, () => Promise.reject(new Error("no model"))));
    assert.equal(atBegin, 1);
    assert.deepEqual(told, [
      { kind: "loading", artefact: ARTEFACT },
      { kind: "load_ended", artefact: ARTEFACT, loaded: true },
      { kind: "loading", artefact: ARTEFACT },
      { kind: "load_ended", artefact: ARTEFACT, loaded: false },
    ]);
  });

  test("is known by the runs of its warm-up, not by those of a version that serves meanwhile", async () => {
    const loading = new Loading(() => undefined);
    await loading.during(ARTEFACT, async () => {
      assert.deepEqual(loading.warmingUp(warmUpRunsOf(ARTEFACT)), ARTEFACT);
      assert.equal(loading.warmingUp(runsOf(ARTEFACT)), undefined);
    });
    assert.equal(loading.warmingUp(warmUpRunsOf(ARTEFACT)), undefined);
  });
});
