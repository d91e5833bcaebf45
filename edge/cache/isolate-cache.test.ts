import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { IsolateCache } from "./isolate-cache.ts";

const step = fc.record({
  key: fc.constantFrom("a", "b", "c", "d", "e", "f", "g"),
  put: fc.boolean(),
  bytes: fc.nat(900),
  lifeMs: fc.nat(20),
  passes: fc.nat(5),
});

describe("an isolate's cache", () => {
  test("never holds more than it may, and gives back what was put last, while it lives", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const cache = new IsolateCache<number>(8_000, 5);
        const last = new Map<string, { value: number; expiresAt: number }>();
        let now = 0;
        for (const [value, { key, put, bytes, lifeMs, passes }] of steps.entries()) {
          now += passes;
          if (put) {
            if (cache.put(key, value, bytes, now + lifeMs)) last.set(key, { value, expiresAt: now + lifeMs });
            else last.delete(key);
          } else {
            const found = cache.get(key, now);
            if (found === undefined) continue;
            const expected = last.get(key);
            assert.equal(found, expected?.value);
            assert.ok((expected?.expiresAt ?? 0) > now);
          }
          assert.ok(cache.bytes <= 8_000);
          assert.ok(cache.entries <= 5);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("what was used longest ago leaves first", () => {
    const cache = new IsolateCache<string>(100_000, 2);
    cache.put("a", "A", 1, 100);
    cache.put("b", "B", 1, 100);
    cache.get("a", 0);
    cache.put("c", "C", 1, 100);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => cache.get(key, 0)),
      ["A", undefined, "C"],
    );
  });

  test("one large entry is not stored at the cost of all the others", () => {
    const cache = new IsolateCache<string>(8_000, 100);
    cache.put("small", "s", 10, 100);
    assert.equal(cache.put("large", "l", 1_000, 100), false);
    assert.equal(cache.get("small", 0), "s");
  });

  test("nothing is left of what has expired or was taken out", () => {
    const cache = new IsolateCache<string>(8_000, 100);
    cache.put("a", "A", 10, 5);
    cache.put("b", "B", 10, 5);
    cache.get("a", 5);
    cache.delete("b");
    assert.deepEqual([cache.bytes, cache.entries], [0, 0]);
  });
});
