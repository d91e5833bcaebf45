import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Quarantine } from "./quarantine.ts";

const artefact = (model: string, digest = "d") => ({ model, version: "1", digest });
const GOOD = artefact("good");
const BAD = artefact("bad");
const KILLED = { signal: "SIGKILL", culprit: undefined };
const CRASHED = { signal: "SIGSEGV", culprit: undefined };

describe("what brings a serving process down", () => {
  test("is left out at once where it was the only one that was being loaded in a crash", () => {
    const quarantine = new Quarantine();
    quarantine.began(GOOD);
    quarantine.ended(GOOD, true);
    quarantine.began(BAD);
    const { found, wasUseful } = quarantine.died(CRASHED);
    assert.deepEqual([found.map(({ model }) => model), wasUseful], [["bad"], true]);
    assert.match(
      quarantine.entries[0]?.reason ?? "",
      /died of SIGSEGV while it was being loaded; it is left out until/,
    );
  });

  test("is left out at once where the process said that its warm-up hung, whatever else was being loaded", () => {
    const quarantine = new Quarantine();
    quarantine.began(GOOD);
    quarantine.began(BAD);
    quarantine.died({ signal: "SIGKILL", culprit: { ...BAD, during: "warm_up" } });
    assert.deepEqual(quarantine.entries, [
      {
        ...BAD,
        reason:
          "a run in its warm-up did not end, and the serving process had to be replaced; it is left out until its files " +
          "change or it is loaded by name",
      },
    ]);
  });

  test("is for others to judge where it had been serving", () => {
    const quarantine = new Quarantine();
    for (let death = 1; death <= 6; death++) {
      quarantine.died({ signal: "SIGKILL", culprit: { ...BAD, during: "serving" } });
      assert.deepEqual(quarantine.entries, []);
    }
  });

  test("is left out after three deaths in a row where something else may be the reason", () => {
    const quarantine = new Quarantine();
    for (let death = 1; death <= 3; death++) {
      assert.deepEqual(quarantine.entries, []);
      quarantine.began(BAD);
      quarantine.died(KILLED);
    }
    assert.match(quarantine.entries[0]?.reason ?? "", /died 3 times in a row .*, the last time of SIGKILL; /);
  });

  test("is not to blame for deaths with a success, another artefact or nothing at all in between", () => {
    for (const between of [
      (quarantine: Quarantine) => quarantine.died(KILLED),
      (quarantine: Quarantine) => {
        quarantine.began(artefact("bad", "changed"));
        quarantine.died(KILLED);
      },
      (quarantine: Quarantine) => {
        quarantine.began(BAD);
        quarantine.ended(BAD, true);
        quarantine.died(KILLED);
      },
    ]) {
      const quarantine = new Quarantine();
      for (let death = 1; death <= 6; death++) {
        quarantine.began(BAD);
        quarantine.died(KILLED);
        if (death % 2 === 0) between(quarantine);
      }
      assert.deepEqual(quarantine.entries, []);
    }
  });

  test("is one of several that are loaded at once: none is blamed for a single crash", () => {
    const quarantine = new Quarantine();
    quarantine.began(GOOD);
    quarantine.began(BAD);
    assert.deepEqual(quarantine.died(CRASHED).found, []);
  });

  test("is judged anew when it is loaded again", () => {
    const quarantine = new Quarantine();
    quarantine.began(BAD);
    quarantine.died(CRASHED);
    quarantine.began(BAD);
    assert.deepEqual(quarantine.entries, []);
    quarantine.ended(BAD, true);
    quarantine.died(KILLED);
    assert.deepEqual(quarantine.entries, []);
  });

  test("is bounded, and nobody is blamed who was not being loaded", () => {
    const name = fc.integer({ min: 0, max: 200 }).map((number) => artefact(String(number)));
    const step = fc.oneof(
      name.map((one) => ({ kind: "began", one }) as const),
      name.map((one) => ({ kind: "ended", one }) as const),
      fc.constantFrom("SIGKILL", "SIGSEGV", "").map((signal) => ({ kind: "died", signal }) as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1_000 }), (steps) => {
        const quarantine = new Quarantine();
        const loading = new Set<string>();
        for (const next of steps) {
          if (next.kind === "began") {
            quarantine.began(next.one);
            loading.add(next.one.model);
          } else if (next.kind === "ended") {
            quarantine.ended(next.one, true);
            loading.delete(next.one.model);
          } else {
            const { found } = quarantine.died({ signal: next.signal, culprit: undefined });
            for (const { model } of found) assert.ok(loading.has(model));
            loading.clear();
          }
          assert.ok(quarantine.entries.length <= 64);
        }
      }),
    );
  });
});
