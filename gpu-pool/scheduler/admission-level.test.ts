import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { IMPORTANCES } from "../../shared/control/importance.ts";
import { AdmissionLevel } from "./admission-level.ts";

/** A second of evenly spread requests, all of which waited so long. */
function second(level: AdmissionLevel, at: number, waitedMs: number): void {
  for (let request = 0; request < IMPORTANCES * 2; request++) {
    level.waited(waitedMs);
    level.arrived(request % IMPORTANCES, at + request / (IMPORTANCES * 2));
  }
  level.arrived(0, at + 1_000);
}

describe("the admission level", () => {
  test("without overload everybody passes", () => {
    const level = new AdmissionLevel(20);
    for (let at = 0; at < 20_000; at += 1_001) second(level, at, 19);
    assert.equal(level.level, IMPORTANCES);
  });

  test("while overloaded it falls by 5 % of what passes, a window at a time", () => {
    const level = new AdmissionLevel(20);
    let before: number = IMPORTANCES;
    for (let window = 0; window < 10; window++) {
      second(level, window * 1_001, 21);
      assert.ok(Math.abs(level.level - before * 0.95) <= 2, `${before} -> ${level.level}`);
      before = level.level;
    }
  });

  test("after that it rises by 1 % of what arrives, and no further than to everybody", () => {
    const level = new AdmissionLevel(20);
    for (let window = 0; window < 20; window++) second(level, window * 1_001, 100);
    const low = level.level;
    second(level, 20 * 1_001, 1);
    assert.ok(level.level > low && level.level - low <= IMPORTANCES * 0.01 + 2);
    for (let window = 0; window < 200; window++) second(level, 40_000 + window * 1_001, 1);
    assert.equal(level.level, IMPORTANCES);
  });

  test("the most important always pass", () => {
    const level = new AdmissionLevel(20);
    for (let window = 0; window < 500; window++) second(level, window * 1_001, 1_000);
    assert.equal(level.level, 1);
  });
});
