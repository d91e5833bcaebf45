import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { firstOfTwo, type Try } from "./first-of-two.ts";

function trying() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const state = { isGivenUp: false };
  const giveUp = () => {
    state.isGivenUp = true;
  };
  const one: Try<string> = { answer: promise, giveUp };
  return { one, resolve, fail: () => reject(new Error("failed")), state };
}

const EVERY_MS = 5;

test("an answer in time is the only try", async () => {
  const first = trying();
  const answer = firstOfTwo(first.one, 60_000, () => assert.fail("a second try"));
  first.resolve("one");
  assert.equal(await answer, "one");
});

test("the second one's answer is taken, and the first given up", async () => {
  const [first, second] = [trying(), trying()];
  const answer = firstOfTwo(first.one, EVERY_MS, () => second.one);
  second.resolve("two");
  assert.equal(await answer, "two");
  assert.ok(first.state.isGivenUp);
});

test("the first one's answer is taken though there is a second, which is given up", async () => {
  const [first, second] = [trying(), trying()];
  const asked = Promise.withResolvers<void>();
  const answer = firstOfTwo(first.one, EVERY_MS, () => {
    asked.resolve();
    return second.one;
  });
  await asked.promise;
  first.resolve("one");
  assert.equal(await answer, "one");
  assert.ok(second.state.isGivenUp);
});

test("a failure of either is none while the other may answer", async () => {
  for (const failsFirst of [true, false]) {
    const [first, second] = [trying(), trying()];
    const asked = Promise.withResolvers<void>();
    const answer = firstOfTwo(first.one, EVERY_MS, () => {
      asked.resolve();
      return second.one;
    });
    await asked.promise;
    (failsFirst ? first : second).fail();
    await delay(EVERY_MS);
    (failsFirst ? second : first).resolve("answered");
    assert.equal(await answer, "answered");
  }
});

test("when both fail it is the first one's failure, and without a second it is that at once", async () => {
  const [first, second] = [trying(), trying()];
  const answer = firstOfTwo(first.one, EVERY_MS, () => second.one);
  first.fail();
  await assert.rejects(answer, /failed/);
  const asked = Promise.withResolvers<void>();
  const [third, fourth] = [trying(), trying()];
  const both = firstOfTwo(third.one, EVERY_MS, () => {
    asked.resolve();
    return { ...fourth.one, answer: fourth.one.answer.catch(() => Promise.reject(new Error("the second one's"))) };
  });
  await asked.promise;
  fourth.fail();
  third.fail();
  await assert.rejects(both, /^Error: failed$/);
});

test("a second one is asked for again and again until there is one, and then never more", async () => {
  const [first, second] = [trying(), trying()];
  let asks = 0;
  const answer = firstOfTwo(first.one, EVERY_MS, () => (++asks < 3 ? undefined : second.one));
  await delay(20 * EVERY_MS);
  assert.equal(asks, 3);
  second.resolve("two");
  assert.equal(await answer, "two");
});
