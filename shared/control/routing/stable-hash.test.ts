import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { stableFraction, stableHash } from "./stable-hash.ts";

/** MurmurHash3_x86_32 as in its author's MurmurHash3.cpp: blocks, then the tail, then the finalisation; in BigInt. */
function referenceHash(text: string): number {
  const bytes = Buffer.from(text, "utf8");
  const word = (value: bigint) => value & 0xffffffffn;
  const rotated = (value: bigint, by: bigint) => word((value << by) | (word(value) >> (32n - by)));
  const scrambled = (block: bigint) => word(rotated(word(block * 0xcc9e2d51n), 15n) * 0x1b873593n);
  let hash = 0n;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) {
    hash = word(rotated(hash ^ scrambled(BigInt(bytes.readUInt32LE(at))), 13n) * 5n + 0xe6546b64n);
  }
  if (whole < bytes.length) {
    const tail = Buffer.alloc(4);
    bytes.copy(tail, 0, whole);
    hash ^= scrambled(BigInt(tail.readUInt32LE(0)));
  }
  hash = word(hash ^ BigInt(bytes.length));
  hash = word((hash ^ (hash >> 16n)) * 0x85ebca6bn);
  hash = word((hash ^ (hash >> 13n)) * 0xc2b2ae35n);
  return Number(hash ^ (hash >> 16n));
}

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

  test("of any text is what the algorithm as it is published gives for its UTF-8 bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => assert.equal(stableHash(text), referenceHash(text))),
    );
  });

  test("is even: a thousand tenants fill ten drawers alike", () => {
    const drawers = Array<number>(10).fill(0);
    for (let tenant = 0; tenant < 100_000; tenant++) drawers[Math.floor(stableFraction(`tenant-${tenant}`) * 10)]!++;
    const chiSquare = drawers.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    assert.ok(chiSquare < 27.9, `chi-square ${chiSquare}, 27.9 is exceeded once in a thousand`);
  });
});
