import assert from "node:assert/strict";
import { test } from "node:test";
import { FairSlots } from "./fair-slots.ts";

/** Pieces that end when they are told to. */
function scripted() {
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const begin = (name: string) => (index: number) => {
    const piece = Promise.withResolvers<void>();
    begun.push(`${name}${index}`);
    ends.set(`${name}${index}`, piece);
    return piece.promise;
  };
  const settle = async (name: string, error?: Error) => {
    if (error) ends.get(name)?.reject(error);
    else ends.get(name)?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { begun, begin, settle };
}

test("no more pieces run than there are slots, and requests take turns", async () => {
  const { begun, begin, settle } = scripted();
  const slots = new FairSlots(2, () => 0);
  const a = slots.run(4, begin("a"));
  const b = slots.run(1, begin("b"));
  assert.deepEqual(begun, ["a0", "a1"]);
  await settle("a0");
  assert.deepEqual(begun, ["a0", "a1", "a2"]);
  await settle("a1");
  assert.deepEqual(begun.at(-1), "b0");
  await settle("b0");
  await b;
  await settle("a2");
  await settle("a3");
  await a;
});

test("after a failure the rest does not begin, and the failure is told when nothing runs any more", async () => {
  const { begun, begin, settle } = scripted();
  const slots = new FairSlots(2, () => 0);
  let told: unknown;
  const failing = slots.run(5, begin("a")).catch((error: unknown) => {
    told = error;
  });
  await settle("a0", new Error("broken"));
  assert.equal(told, undefined);
  await settle("a1");
  await failing;
  assert.match(String(told), /broken/);
  const next = slots.run(2, begin("b"));
  assert.deepEqual(begun, ["a0", "a1", "b0", "b1"]);
  await settle("b0");
  await settle("b1");
  await next;
});

test("a request without pieces is over at once", async () => {
  await new FairSlots(1, () => 0).run(0, () => assert.fail("nothing is to begin"));
});

test("what is expected counts what runs and what others have before it, and is 0 with a slot free", async () => {
  const { begin, settle } = scripted();
  let now = 0;
  const slots = new FairSlots(1, () => now);
  const first = slots.run(1, begin("a"));
  now = 10;
  await settle("a0");
  await first;
  assert.equal(slots.expectedMs(1), 0);
  const many = slots.run(100, begin("b")).catch(() => undefined);
  const other = slots.run(1, begin("c"));
  // One that runs, one of each that waits, and its own.
  assert.equal(slots.expectedMs(1), 40);
  assert.equal(slots.expectedMs(5), 10 * (1 + 5 + 1 + 5));
  await settle("b0", new Error("given up"));
  await settle("c0");
  await Promise.all([many, other]);
});
