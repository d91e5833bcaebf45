import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { IMPORTANCES, importanceOf, RANKS_PER_CLASS } from "./importance.ts";

const HOUR_MS = 3_600_000;
const tenants = Array.from({ length: 2_000 }, (_, index) => `tenant-${index}`);

describe("importance", () => {
  test("a higher class is more important, whoever asks", () => {
    for (const tenant of tenants.slice(0, 50)) {
      assert.ok(importanceOf(0, tenant, 0) < RANKS_PER_CLASS);
      assert.ok(importanceOf(3, tenant, 0) >= 3 * RANKS_PER_CLASS && importanceOf(3, tenant, 0) < IMPORTANCES);
    }
  });

  test("tenants are spread evenly inside a class", () => {
    const counts = new Array<number>(4).fill(0);
    for (const tenant of tenants) {
      const quarter = Math.floor(importanceOf(0, tenant, 0) / (RANKS_PER_CLASS / 4));
      counts[quarter] = (counts[quarter] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(Math.abs(count - 500) < 100, String(counts));
  });

  test("a tenant keeps its place for an hour and has another one after it", () => {
    const places = (epochMs: number) => tenants.map((tenant) => importanceOf(1, tenant, epochMs));
    assert.deepEqual(places(0), places(HOUR_MS - 1));
    const [before, after] = [places(0), places(HOUR_MS)];
    assert.ok(before.filter((place, index) => place === after[index]).length < tenants.length / 10);
  });
});
