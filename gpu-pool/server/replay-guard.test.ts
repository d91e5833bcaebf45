import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { ReplayGuard } from "./replay-guard.ts";

const WINDOW = 30;

describe("the replay guard", () => {
  test("no nonce is ever admitted twice, in whatever order and however often requests come", () => {
    // A request is signed once; a replay has the same nonce and the same time.
    const request = fc.record({ nonce: fc.nat(30), waitMs: fc.nat(25) });
    fc.assert(
      fc.property(
        fc.array(request, { maxLength: 200 }),
        fc.array(fc.nat(400), { minLength: 31, maxLength: 31 }),
        fc.integer({ min: 1, max: 6 }),
        (requests, signedAt, size) => {
          const guard = new ReplayGuard(WINDOW, 0, size);
          const admitted = new Set<number>();
          let now = 0;
          for (const { nonce, waitMs } of requests) {
            now += waitMs;
            if (!guard.admit(String(nonce), signedAt[nonce]!, now)) continue;
            assert.equal(admitted.has(nonce), false, `nonce ${nonce} twice`);
            assert.ok(Math.abs(now - signedAt[nonce]!) <= WINDOW);
            admitted.add(nonce);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("below its size nothing inside the window is refused but replays", () => {
    const request = fc.record({ waitMs: fc.nat(20), age: fc.integer({ min: -WINDOW, max: WINDOW }) });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 100 }), (requests) => {
        const guard = new ReplayGuard(WINDOW, 0, 1_000);
        let now = 0;
        for (const [nonce, { waitMs, age }] of requests.entries()) {
          now += waitMs;
          assert.equal(guard.admit(String(nonce), now - age, now), true);
        }
      }),
    );
  });

  test("a request from outside the window is refused, on its edges it is taken", () => {
    const guard = new ReplayGuard(WINDOW, 1_000);
    assert.equal(guard.admit("old", 1_000 - WINDOW - 1, 1_000), false);
    assert.equal(guard.admit("new", 1_000 + WINDOW + 1, 1_000), false);
    assert.equal(guard.admit("oldest", 1_000 - WINDOW, 1_000), true);
    assert.equal(guard.admit("newest", 1_000 + WINDOW, 1_000), true);
  });

  test("when nonces had to be forgotten early, what was signed before them is refused instead of taken unguarded", () => {
    const guard = new ReplayGuard(WINDOW, 0, 2);
    for (const nonce of ["a", "b"]) assert.equal(guard.admit(nonce, 5, 10), true);
    for (const nonce of ["c", "d", "e"]) assert.equal(guard.admit(nonce, 9, 10), true);
    assert.equal(guard.admit("a", 5, 10), false);
    assert.equal(guard.admit("f", 5, 10), false, "nobody knows any more whether it is a replay");
    assert.equal(guard.admit("g", 10, 10), true);
  });

  test("memory stays bounded under a flood", () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const guard = new ReplayGuard(WINDOW, 0, 1_000);
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let count = 0; count < 300_000; count++) guard.admit(`nonce-${count}`, count / 1_000, count / 1_000);
    collect();
    assert.ok(process.memoryUsage().heapUsed - before < 2 * 1024 * 1024);
    assert.equal(guard.admit("one more", 300, 300), true);
  });
});
