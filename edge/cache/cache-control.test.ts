import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CacheWish, mayServe, readCacheWish } from "./cache-control.ts";

const wishes = (header: string): Partial<CacheWish> => {
  const none = readCacheWish(null, null);
  const entries = Object.entries(readCacheWish(header, null)).filter(
    ([name, value]) => value !== Object.entries(none).find(([one]) => one === name)?.[1],
  );
  return Object.fromEntries(entries);
};

describe("Cache-Control of a caller", () => {
  const CASES: Record<string, Partial<CacheWish>> = {
    "no-store": { noStore: true },
    "No-Cache": { noCache: true },
    "only-if-cached, max-age=30": { onlyIfCached: true, maxAgeSeconds: 30 },
    'max-age="30"': { maxAgeSeconds: 30 },
    "max-age=30, max-age=10": { maxAgeSeconds: 10 },
    "max-age=soon": { maxAgeSeconds: 0 },
    "max-age": { maxAgeSeconds: 0 },
    "min-fresh=5": { minFreshSeconds: 5 },
    "min-fresh=x": { minFreshSeconds: Number.POSITIVE_INFINITY },
    'private="no-store", x-new=1 , no-cache': { noCache: true },
    ",, ,no-store": { noStore: true },
    "": {},
  };
  for (const [header, expected] of Object.entries(CASES)) {
    test(`"${header}"`, () => assert.deepEqual(wishes(header), expected));
  }

  test("Pragma: no-cache counts where Cache-Control is absent", () => {
    assert.equal(readCacheWish(null, "no-cache").noCache, true);
    assert.equal(readCacheWish("max-age=5", "no-cache").noCache, false);
  });

  test("a long and hostile header is read in no time", () => {
    const startedAt = performance.now();
    for (const part of [",", 'a="', "a=", "a ", '\\"']) readCacheWish(part.repeat(32_000), null);
    assert.ok(performance.now() - startedAt < 50);
  });

  test("an answer is served while it lives, is young enough and lives long enough", () => {
    const stored = { storedAt: 10_000, expiresAt: 70_000 };
    const serves = (header: string, now: number) => mayServe(stored, readCacheWish(header, null), now);
    assert.equal(serves("", 69_999), true);
    assert.equal(serves("", 70_000), false);
    assert.equal(serves("max-age=20", 30_000), true);
    assert.equal(serves("max-age=20", 30_001), false);
    assert.equal(serves("min-fresh=30", 39_999), true);
    assert.equal(serves("min-fresh=30", 40_000), false);
    assert.equal(serves("no-cache", 10_001), false);
  });
});
