import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RestartPolicy } from "../../gpu-pool/restart-policy.ts";
import { ALLOWED_MS, killSchedule, killScheduleText } from "./kill-schedule.ts";

const runs = fc.record({
  seed: fc.integer(),
  forMs: fc.integer({ min: 0, max: 600_000 }),
  meanGapMs: fc.integer({ min: 500, max: 30_000 }),
});

describe("a schedule of kills", () => {
  test("is in the order of time, in whole milliseconds and within the time", () => {
    fc.assert(
      fc.property(runs, ({ seed, ...times }) => {
        const moments = killSchedule(seed, times).map(({ at }) => at);
        assert.ok(moments.every((at) => Number.isInteger(at) && at > 0 && at < times.forMs));
        assert.deepEqual(
          moments,
          moments.toSorted((a, b) => a - b),
        );
      }),
    );
  });

  test("is the same for the same seed, and tells itself the same", () => {
    fc.assert(
      fc.property(runs, ({ seed, ...times }) => {
        const planned = killSchedule(seed, times);
        assert.deepEqual(killSchedule(seed, times), planned);
        assert.equal(killScheduleText(seed, killSchedule(seed, times)), killScheduleText(seed, planned));
      }),
    );
  });

  test("differs from seed to seed", () => {
    const times = { forMs: 120_000, meanGapMs: 8_000 };
    assert.notDeepEqual(killSchedule(1, times), killSchedule(2, times));
  });

  test("lets the restart policy go on, however long within what is allowed each death takes", () => {
    const late = fc.infiniteStream(fc.integer({ min: 0, max: ALLOWED_MS }));
    fc.assert(
      fc.property(runs, late, ({ seed, ...times }, latenesses) => {
        const policy = new RestartPolicy();
        let died = 0;
        for (const { at, next } of killSchedule(seed, times)) {
          for (const whenIt of ["is ready", ...(next ? [next.whenIt] : [])]) {
            const [lateMs = 0] = latenesses.take(1);
            died = Math.max(died, at + lateMs);
            if (whenIt === "is ready") policy.ready();
            assert.equal(policy.died(died).kind, "wait");
          }
        }
      }),
    );
  });

  test("has every ending, reloads, and both kinds of a second kill, within some minutes", () => {
    const planned = [1, 2, 3].flatMap((seed) => killSchedule(seed, { forMs: 600_000, meanGapMs: 8_000 }));
    const met = new Set(planned.flatMap(({ by, next }) => [by, ...(next ? [next.whenIt] : [])]));
    assert.deepEqual(
      [...met].toSorted(),
      ["SIGABRT", "SIGKILL", "SIGSEGV", "SIGSTOP", "SIGTERM", "hang", "is ready", "starts"].toSorted(),
    );
    assert.ok(planned.some(({ reloadMs }) => reloadMs !== undefined));
    const atStart = planned.flatMap(({ next }) => (next?.whenIt === "starts" ? [next.by] : []));
    assert.deepEqual([...new Set(atStart)].toSorted(), ["SIGKILL", "SIGSTOP", "SIGTERM"]);
  });
});
