import assert from "node:assert/strict";
import { test } from "node:test";
import { type CacheResult, cacheStatus } from "./cache-status.ts";

const CASES: [CacheResult, string][] = [
  [{ kind: "hit", from: "isolate", ttlSeconds: 29.9 }, "warmgate; hit; ttl=29; detail=isolate"],
  [{ kind: "hit", from: "data-centre", ttlSeconds: -1 }, "warmgate; hit; ttl=0; detail=data-centre"],
  [{ kind: "miss", stored: true, refused: false }, "warmgate; fwd=miss; stored"],
  [{ kind: "miss", stored: false, refused: true }, "warmgate; fwd=miss; fwd-status=504; detail=only-if-cached"],
  [{ kind: "collapsed" }, "warmgate; fwd=miss; collapsed"],
  [{ kind: "request", stored: false }, "warmgate; fwd=request"],
  [{ kind: "bypass", reason: "not-deterministic" }, "warmgate; fwd=bypass; detail=not-deterministic"],
];

for (const [result, expected] of CASES) {
  test(`Cache-Status: ${expected}`, () => assert.equal(cacheStatus(result), expected));
}
