import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { retrying } from "./retry.ts";
import { SourceError } from "./source-error.ts";

const policy = { attempts: 4, firstWaitMs: 100, longestWaitMs: 250, random: () => 1 };
const never = new AbortController().signal;

describe("retries", () => {
  const run = async (failures: Error[], random = 1) => {
    const waits: number[] = [];
    let tried = 0;
    const outcome = retrying(
      { ...policy, random: () => random },
      never,
      async () => {
        const failure = failures[tried++];
        if (failure) throw failure;
        return "done";
      },
      async (ms) => void waits.push(ms),
    );
    const result = await outcome.catch((error: Error) => error);
    return { result, waits, tried };
  };

  test("what may pass is tried again, after waits that double up to a bound", async () => {
    const error = new SourceError("failing", "503");
    assert.deepEqual(await run([error, error, error]), { result: "done", waits: [100, 200, 250], tried: 4 });
  });

  test("there are never more tries than were allowed, and the last failure is told", async () => {
    const errors = Array.from({ length: 9 }, (_, at) => new SourceError("unreachable", `${at}`));
    const { result, tried } = await run(errors);
    assert.deepEqual([result, tried], [errors[3], 4]);
  });

  test("what stays is not tried again", async () => {
    for (const error of [
      new SourceError("refused", "404"),
      new SourceError("digest_mismatch", "x"),
      new TypeError("bug"),
    ]) {
      assert.deepEqual(await run([error]), { result: error, waits: [], tried: 1 });
    }
  });

  test("a wait is a random part of its bound", async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), async (random) => {
        const { waits } = await run([new SourceError("timeout", "")], random);
        assert.deepEqual(waits, [random * 100]);
      }),
      { numRuns: 20 },
    );
  });

  test("an abort ends a wait at once, with its reason", async () => {
    const stop = new AbortController();
    const reason = new Error("stopped");
    const slow = retrying({ ...policy, firstWaitMs: 60_000, longestWaitMs: 60_000 }, stop.signal, async () => {
      setImmediate(() => stop.abort(reason));
      throw new SourceError("failing", "503");
    });
    await assert.rejects(slow, reason);
  });
});
