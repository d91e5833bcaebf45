import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { Slots } from "./slots.ts";

describe("slots", () => {
  test("never more than so many at once, all of them in the end, in the order they came", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.boolean(), { maxLength: 20 }),
        async (count, fates) => {
          const slots = new Slots(count);
          const started: number[] = [];
          let running = 0;
          const work = fates.map((fails, at) =>
            slots.run(async () => {
              started.push(at);
              assert.ok(++running <= count);
              await turn();
              running--;
              if (fails) throw new Error("failed");
            }),
          );
          const outcomes = await Promise.allSettled(work);
          assert.deepEqual(started, [...fates.keys()]);
          assert.deepEqual(
            outcomes.map(({ status }) => status === "rejected"),
            fates,
          );
        },
      ),
      { numRuns: 30 },
    );
  });
});
