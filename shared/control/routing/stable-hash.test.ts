import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stableFraction, stableHash } from "./stable-hash.ts";

describe("the stable hash", () => {
  // Verification values of MurmurHash3_x86_32, as its implementations publish them.
  const VECTORS: [string, number, number][] = [
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["test", 0, 0xba6bd213],
    ["test", 0x9747b28c, 0x704b81dc],
    ["Hello, world!", 0, 0xc0363e43],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
    ["aaa", 0x9747b28c, 0x283e0130],
    ["aa", 0x9747b28c, 0x5d211726],
    ["a", 0x9747b28c, 0x7fa09ea6],
  ];
  for (const [text, seed, expected] of VECTORS) {
    test(`of "${text}" with seed ${seed}`, () => assert.equal(stableHash(text, seed), expected));
  }

  test("is even: a thousand tenants fill ten drawers alike", () => {
    const drawers = Array<number>(10).fill(0);
    for (let tenant = 0; tenant < 100_000; tenant++) drawers[Math.floor(stableFraction(`tenant-${tenant}`) * 10)]!++;
    const chiSquare = drawers.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    assert.ok(chiSquare < 27.9, `chi-square ${chiSquare}, 27.9 is exceeded once in a thousand`);
  });
});
