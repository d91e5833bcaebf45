import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { counted, countOf, type SlidingCounts } from "./sliding-counts.ts";

const SHAPE = { sliceMs: 100, slices: 4 };
const event = fc.record({ kind: fc.constantFrom("a", "b"), pause: fc.integer({ min: 0, max: 250 }) });
const history = fc.array(event, { maxLength: 40, size: "max" });

describe("sliding counts", () => {
  test("what happened in the window counts, and what happened before it does not", () => {
    fc.assert(
      fc.property(history, fc.nat(600), (events, later) => {
        let [window, now]: [SlidingCounts<"a" | "b">, number] = [[], 0];
        const times: Record<"a" | "b", number[]> = { a: [], b: [] };
        for (const { kind, pause } of events) {
          now += pause;
          window = counted(window, kind as "a" | "b", SHAPE, now);
          times[kind as "a" | "b"].push(now);
        }
        now += later;
        for (const kind of ["a", "b"] as const) {
          const count = countOf(window, kind, SHAPE, now);
          assert.ok(count >= times[kind].filter((at) => at > now - 300).length);
          assert.ok(count <= times[kind].filter((at) => at > now - 400).length);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("it never has more slices than its window, however long it lives", () => {
    fc.assert(
      fc.property(history, (events) => {
        let [window, now]: [SlidingCounts<string>, number] = [[], 0];
        for (const { kind, pause } of events) {
          now += pause;
          window = counted(window, kind, SHAPE, now);
          assert.ok(window.length <= SHAPE.slices);
        }
      }),
    );
  });

  test("a clock that goes back loses nothing that was counted", () => {
    const before = counted(counted<"a">([], "a", SHAPE, 900), "a", SHAPE, 1_000);
    const window = counted(before, "a", SHAPE, 500);
    assert.equal(countOf(window, "a", SHAPE, 1_000), 3);
  });
});
