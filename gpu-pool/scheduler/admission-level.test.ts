import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { IMPORTANCES } from "../../shared/control/importance.ts";
import { AdmissionLevel } from "./admission-level.ts";

const WINDOW_MS = 251;
const AFFORDABLE_MS = 100;

/** A window of evenly spread requests, all of which waited so long and could have waited for 100 ms. */
function window(level: AdmissionLevel, number: number, waitedMs: number, affordableMs = AFFORDABLE_MS): void {
  const at = number * WINDOW_MS;
  for (let request = 0; request < IMPORTANCES * 2; request++) {
    level.waited(waitedMs, affordableMs);
    level.arrived(request % IMPORTANCES, at + request / (IMPORTANCES * 2));
  }
  level.arrived(0, at + WINDOW_MS - 0.5);
}

describe("the admission level", () => {
  test("without overload everybody passes", () => {
    const level = new AdmissionLevel(20);
    for (let number = 0; number < 80; number++) window(level, number, 50);
    assert.equal(level.level, IMPORTANCES);
  });

  test("waits that are short, or that requests can afford, are no overload", () => {
    const level = new AdmissionLevel(20);
    for (let number = 0; number < 20; number++) window(level, number, 20, 21);
    for (let number = 20; number < 40; number++) window(level, number, 900, 2_000);
    assert.equal(level.level, IMPORTANCES);
  });

  test("while overloaded it falls by 5 % of what passes, a window at a time", () => {
    const level = new AdmissionLevel(20);
    let before: number = IMPORTANCES;
    for (let number = 0; number < 10; number++) {
      window(level, number, 60);
      assert.ok(Math.abs(level.level - before * 0.95) <= 1, `${before} -> ${level.level}`);
      before = level.level;
    }
  });

  test("where there are two tenants it takes a part of one, not all of it at once", () => {
    const level = new AdmissionLevel(20);
    for (let number = 0; number < 3; number++) {
      for (let request = 0; request < 100; request++) {
        level.waited(60, AFFORDABLE_MS);
        level.arrived(request % 2 === 0 ? 140 : 200, number * WINDOW_MS);
      }
      level.arrived(140, number * WINDOW_MS + WINDOW_MS - 0.5);
    }
    assert.ok(level.level > 200 && level.level < 201, String(level.level));
    assert.ok(Math.abs(200 + 1 - 2 * (1 - 0.95 ** 3) - level.level) < 0.1, String(level.level));
  });

  test("a little below what is too much it rises by 1 % of what arrives, far below it by a tenth of all", () => {
    const level = new AdmissionLevel(20);
    for (let number = 0; number < 30; number++) window(level, number, 100);
    const low = level.level;
    window(level, 30, 40);
    assert.ok(level.level > low && level.level - low <= IMPORTANCES * 0.01 + 1, `${low} -> ${level.level}`);
    for (let number = 31; number < 42; number++) window(level, number, 1);
    assert.equal(level.level, IMPORTANCES);
  });

  test("the most important always pass", () => {
    const level = new AdmissionLevel(20);
    for (let number = 0; number < 500; number++) window(level, number, 1_000);
    assert.equal(level.level, 1);
  });

  test("whatever happens it stays between the least and all", () => {
    const step = fc.record({ importance: fc.nat(IMPORTANCES - 1), ms: fc.nat(200), after: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const level = new AdmissionLevel(20);
        let now = 0;
        for (const { importance, ms, after } of steps) {
          now += after;
          level.waited(ms, AFFORDABLE_MS);
          level.arrived(importance, now);
          assert.ok(level.level >= 1 && level.level <= IMPORTANCES);
        }
      }),
    );
  });
});
