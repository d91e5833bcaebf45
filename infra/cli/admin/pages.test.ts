import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gather } from "./pages.ts";

/** A list of the numbers from 1, in pages as the API gives them. */
function listOfNumbers(length: number) {
  const asked: number[] = [];
  const ask = async (start: string | undefined, limit: string) => {
    asked.push(Number(limit));
    const first = Number(start ?? 0);
    const items = Array.from({ length: Math.min(Number(limit), length - first) }, (_, index) => first + index + 1);
    return { items, next: first + items.length < length ? String(first + items.length) : null };
  };
  return { asked, ask };
}

test("pages are put together in order, up to the limit, with where it goes on", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(2000), fc.integer({ min: 1, max: 2500 }), async (length, limit) => {
      const { ask, asked } = listOfNumbers(length);
      const { items, next } = await gather(limit, undefined, ask);
      assert.deepEqual(
        items,
        Array.from({ length: Math.min(length, limit) }, (_, index) => index + 1),
      );
      assert.equal(next, length > limit ? String(limit) : null);
      assert.ok(asked.every((size) => size <= 500));
    }),
    { numRuns: 50 },
  );
});

test("a list begins where it was asked to", async () => {
  const { items } = await gather(3, "5", listOfNumbers(10).ask);
  assert.deepEqual(items, [6, 7, 8]);
});

test("a server whose pages do not go on is not asked for ever", async () => {
  let asked = 0;
  await gather(10_000, undefined, async () => {
    asked++;
    return { items: [], next: "again" };
  });
  assert.equal(asked, 1);
});
