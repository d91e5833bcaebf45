import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isTrouble, type ScheduledFault, schedule, scheduleText } from "./fault-schedule.ts";

const runs = fc.record({
  seed: fc.integer(),
  nodes: fc.integer({ min: 1, max: 6 }).map((count) => Array.from({ length: count }, (_, index) => `node-${index}`)),
  durationMs: fc.integer({ min: 0, max: 120_000 }),
  mostAtOnce: fc.integer({ min: 1, max: 7 }),
});

/** Calls back before the first event and after each with who is in which trouble. */
function follow(planned: readonly ScheduledFault[], look: (troubles: ReadonlyMap<string, string>) => void): void {
  const troubles = new Map<string, string>();
  look(troubles);
  for (const { node, action } of planned) {
    if (isTrouble(action)) {
      assert.ok(!troubles.has(node), `${node} is in ${troubles.get(node)} when it meets ${action}`);
      troubles.set(node, action);
    } else {
      assert.equal(action, troubles.get(node) === "pause" ? "resume" : "heal");
      assert.ok(troubles.delete(node), `${node} was well when it was ended`);
    }
    look(troubles);
  }
}

describe("a schedule of faults", () => {
  test("has one trouble a node at a time, no more nodes in trouble than allowed, and none in the end", () => {
    fc.assert(
      fc.property(runs, ({ seed, nodes, durationMs, mostAtOnce }) => {
        const planned = schedule(seed, nodes, durationMs, mostAtOnce);
        let left = 0;
        follow(planned, (troubles) => {
          assert.ok(troubles.size <= mostAtOnce);
          left = troubles.size;
        });
        assert.equal(left, 0);
        assert.ok(planned.every(({ node }) => nodes.includes(node)));
      }),
    );
  });

  test("is in the order of time and within the time", () => {
    fc.assert(
      fc.property(runs, ({ seed, nodes, durationMs, mostAtOnce }) => {
        const times = schedule(seed, nodes, durationMs, mostAtOnce).map(({ at }) => at);
        assert.ok(times.every((at) => Number.isInteger(at) && at >= 0 && at <= durationMs));
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
      }),
    );
  });

  test("is the same for the same seed, and tells itself the same", () => {
    fc.assert(
      fc.property(runs, ({ seed, nodes, durationMs, mostAtOnce }) => {
        const [one, again] = [1, 2].map(() => schedule(seed, nodes, durationMs, mostAtOnce));
        assert.deepEqual(again, one);
        assert.equal(scheduleText(seed, again!), scheduleText(seed, one!));
      }),
    );
    assert.notDeepEqual(schedule(1, ["a", "b"], 60_000), schedule(2, ["a", "b"], 60_000));
  });

  test("over many seeds does everything to everybody, and uses what it is allowed", () => {
    const nodes = ["a", "b", "c"];
    const seen = new Set<string>();
    let most = 0;
    for (let seed = 0; seed < 50; seed++) {
      const planned = schedule(seed, nodes, 60_000, 2);
      for (const { node, action } of planned) seen.add(`${action} ${node}`);
      follow(planned, ({ size }) => {
        most = Math.max(most, size);
      });
      assert.ok(planned.length >= 8, `${planned.length} events in a minute`);
    }
    assert.equal(seen.size, 7 * nodes.length);
    assert.equal(most, 2);
  });

  test("of nobody, or of no time, is empty", () => {
    assert.deepEqual(schedule(1, [], 60_000), []);
    assert.deepEqual(schedule(1, ["a"], 0), []);
  });

  test("is printed with its seed, a line for each event", () => {
    const text = scheduleText(7, [
      { at: 1_234, node: "a", action: "kill" },
      { at: 60_000, node: "a", action: "heal" },
    ]);
    assert.equal(text, "seed 7: 2 events\n    1.234 s  kill a\n   60.000 s  heal a");
  });
});
