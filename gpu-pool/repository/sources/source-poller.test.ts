import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { SourceError } from "./source-error.ts";
import { SourcePoller, waitMs } from "./source-poller.ts";
import type { SyncResult } from "./sync.ts";

const result = (held: Record<string, string>, failures: SyncResult["failures"] = []): SyncResult => ({
  changed: [],
  failures,
  held: new Map(Object.entries(held)),
});

describe("the poller", () => {
  const polling = (outcomes: (SyncResult | Error)[], onChange?: () => Promise<void>) => {
    const waits: number[] = [];
    const changes: (readonly string[])[] = [];
    const warnings: string[] = [];
    let wake: (() => void) | undefined;
    let signal: AbortSignal | undefined;
    const poller = new SourcePoller({
      sync: async (given) => {
        signal = given;
        const outcome = outcomes.shift();
        if (outcome === undefined)
          return new Promise((_, reject) => given.addEventListener("abort", () => reject(given.reason)));
        if (outcome instanceof Error) throw outcome;
        return outcome;
      },
      onChange: async (models) => {
        changes.push(models);
        await onChange?.();
      },
      everyMs: 1_000,
      clock: {
        schedule: (ms, due) => {
          waits.push(ms);
          wake = due;
          return () => {
            wake = undefined;
          };
        },
      },
      random: () => 0.5,
      log: { info: () => undefined, warn: (line: { text: string }) => warnings.push(line.text) } as never,
    });
    const next = async () => {
      wake?.();
      for (let turns = 0; turns < 5; turns++) await turn();
    };
    return { poller, waits, changes, warnings, next, signal: () => signal, isWaiting: () => wake !== undefined };
  };

  test("tells what is other than before: added, replaced or gone, whoever brought it", async () => {
    const { poller, changes, next } = polling([
      result({ a: "1", b: "1" }),
      result({ a: "2", c: "1" }),
      result({ a: "2", c: "1" }),
    ]);
    poller.start(new Map([["a", "1"]]));
    for (let count = 0; count < 3; count++) await next();
    assert.deepEqual(changes, [["b"], ["a", "b", "c"]]);
  });

  test("that does not know what was served tells all", async () => {
    const { poller, changes, next } = polling([result({ a: "1", b: "1" })]);
    poller.start(undefined);
    await next();
    assert.deepEqual(changes, [["a", "b"]]);
  });

  test("comes later with each failure, and at its pace again after a success", async () => {
    const down = new SourceError("unreachable", "no connection");
    const half = result({ a: "2" }, [{ model: "b", version: "1", error: down }]);
    const { poller, waits, changes, warnings, next } = polling([down, down, half, result({ a: "2" })]);
    poller.start(new Map([["a", "1"]]));
    for (let count = 0; count < 4; count++) await next();
    assert.deepEqual([waits, changes], [[1_000, 2_000, 4_000, 8_000, 1_000], [["a"]]]);
    assert.deepEqual(warnings, ["no connection", "no connection"]);
  });

  test("goes on after a change that could not be taken in", async () => {
    const { poller, waits, warnings, next } = polling([result({ a: "2" }), result({ a: "2" })], () =>
      Promise.reject(new TypeError("x")),
    );
    poller.start(new Map());
    await next();
    await next();
    assert.equal(waits.length, 3);
    assert.match(warnings[0] ?? "", /TypeError/);
  });

  test("that is stopped ends the sync that is going on, and begins no other", async () => {
    const { poller, next, signal, isWaiting } = polling([]);
    poller.start(new Map());
    await next();
    const stopped = poller.stop();
    assert.equal(signal()?.aborted, true);
    await stopped;
    const waiting = polling([]);
    waiting.poller.start(new Map());
    await waiting.poller.stop();
    assert.deepEqual([waiting.isWaiting(), isWaiting()], [false, false]);
  });

  test("waits within a tenth of its interval, and within bounds after failures", () => {
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 3_600_000 }), fc.nat(2_000), unit, (everyMs, failures, random) => {
        const wait = waitMs(everyMs, failures, () => random);
        const most = failures === 0 ? everyMs : Math.max(everyMs, 600_000);
        assert.ok(wait >= everyMs * 0.9 && wait <= most * 1.1, `${wait}`);
      }),
    );
  });
});
