import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Loading, runsOf, warmUpRunsOf } from "./loading.ts";
import type { ServingMessage } from "./process-messages.ts";

const ARTEFACT = { model: "m", version: "1", digest: "d" };

const NO_HANG = { tell: () => undefined, limitMs: 0, onHung: () => assert.fail("nothing hangs") };

describe("what is being loaded", () => {
  test("is told before it is, and when it is over, well or not", async () => {
    const told: ServingMessage[] = [];
    const tell = (message: ServingMessage) => void told.push(message);
    const loading = new Loading({ ...NO_HANG, tell });
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

  test("is told of once when it takes longer than it may, and not when it has ended", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const hung: string[] = [];
    const loading = new Loading({ ...NO_HANG, limitMs: 1_000, onHung: ({ model }) => void hung.push(model) });
    await loading.during({ ...ARTEFACT, model: "quick" }, async () => undefined);
    void loading.during(ARTEFACT, () => new Promise(() => undefined));
    context.mock.timers.tick(999);
    assert.deepEqual(hung, []);
    context.mock.timers.tick(2_001);
    assert.deepEqual(hung, ["m"]);
  });

  test("is known by the runs of its warm-up, not by those of a version that serves meanwhile", async () => {
    const loading = new Loading(NO_HANG);
    await loading.during(ARTEFACT, async () => {
      assert.deepEqual(loading.warmingUp(warmUpRunsOf(ARTEFACT)), ARTEFACT);
      assert.equal(loading.warmingUp(runsOf(ARTEFACT)), undefined);
    });
    assert.equal(loading.warmingUp(warmUpRunsOf(ARTEFACT)), undefined);
  });
});
