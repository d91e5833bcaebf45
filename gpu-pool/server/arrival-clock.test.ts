import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ArrivalClock } from "./arrival-clock.ts";

/** An event loop: each turn reads some requests, each of which takes a while. */
class Loop {
  now = 0;
  #ending: (() => void)[] = [];
  readonly clock = new ArrivalClock(
    () => this.now,
    (listener) => void this.#ending.push(listener),
  );

  turn(requests: number, eachMs: number): number[] {
    const arrivals = Array.from({ length: requests }, () => {
      const at = this.clock.arrivedAt();
      this.now += eachMs;
      return at;
    });
    for (const listener of this.#ending.splice(0)) listener();
    return arrivals;
  }
}

describe("when a request came", () => {
  test("after a rest: when it woke the loop, also for those that are read after it", () => {
    const loop = new Loop();
    loop.now = 100;
    assert.deepEqual(loop.turn(3, 5), [100, 100, 100]);
    loop.now += 50;
    assert.deepEqual(loop.turn(1, 5), [165]);
  });

  test("without a rest: half-way between the two looks at the sockets", () => {
    const loop = new Loop();
    loop.now = 100;
    loop.turn(40, 2);
    loop.now += 0.5;
    assert.deepEqual(loop.turn(2, 2), [140.25, 140.25]);
  });

  test("a loop that is never behind adds next to nothing", () => {
    const loop = new Loop();
    for (let turn = 0; turn < 100; turn++) {
      loop.now += 0.2;
      const before = loop.now;
      assert.ok(before - (loop.turn(1, 0.1)[0] ?? 0) <= 0.2);
    }
  });
});
