import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type EjectionState, ejected, NOTHING_EJECTED, noted, type Outcome, retained } from "./outlier-ejection.ts";

const SECOND = 1_000;
const NAMES = ["a", "b", "c", "d", "e", "f", "g"];
const WELL = ["w1", "w2", "w3"];

/** Whether a node is left out where there are enough others to do without it. */
const isOut = (state: EjectionState, node: string, now: number) => ejected(state, [node, ...WELL], now).has(node);
const failing = (state: EjectionState, node: string, now: number, times = 5): EjectionState =>
  times === 0 ? state : failing(noted(state, node, "failed", now), node, now, times - 1);
/** Five failures in a row, and again as soon as it is tried again. */
function failingAgain(times: number, node = "a"): { state: EjectionState; until: number } {
  let [state, until] = [NOTHING_EJECTED, 0];
  for (let ejection = 1; ejection <= times; ejection++) {
    state = failing(state, node, until);
    until += Math.min(300, ejection * 10) * SECOND;
  }
  return { state, until };
}

const event = fc.record({
  node: fc.constantFrom(...NAMES),
  outcome: fc.constantFrom<Outcome>("failed", "failed", "failed", "failed", "answered"),
  times: fc.integer({ min: 3, max: 6 }),
  pause: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 4, arbitrary: fc.integer({ min: 0, max: SECOND }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 * SECOND }) },
  ),
});
type Event = typeof event extends fc.Arbitrary<infer Value> ? Value : never;
const history = fc.array(event, { maxLength: 60, size: "max" });
function lived(events: readonly Event[]) {
  let [state, now] = [NOTHING_EJECTED, 0];
  for (const { node, outcome, times, pause } of events) {
    now += pause;
    for (let time = 0; time < times; time++) state = noted(state, node, outcome, now);
  }
  return { state, now };
}

describe("outlier ejection", () => {
  test("five failures in a row eject a node for 10 s", () => {
    assert.equal(isOut(failing(NOTHING_EJECTED, "a", 0, 4), "a", 0), false);
    const state = failing(NOTHING_EJECTED, "a", 0);
    assert.deepEqual(
      [0, 9_999, 10_000].map((now) => isOut(state, "a", now)),
      [true, true, false],
    );
    assert.equal(isOut(state, "b", 0), false);
  });

  test("an answer in between starts the count anew", () => {
    const state = failing(noted(failing(NOTHING_EJECTED, "a", 0, 4), "a", "answered", 0), "a", 0, 4);
    assert.equal(isOut(state, "a", 0), false);
    assert.equal(isOut(failing(state, "a", 0, 1), "a", 0), true);
  });

  test("each ejection in a row lasts 10 s longer, up to 300 s, and takes five failures", () => {
    for (let ejections = 1; ejections <= 40; ejections++) {
      const { state, until } = failingAgain(ejections);
      assert.equal(isOut(state, "a", until - 1), true);
      assert.equal(isOut(state, "a", until), false);
      assert.equal(isOut(failing(state, "a", until, 4), "a", until), false);
    }
  });

  test("each 10 s without a failure take one off, whether or not it is asked", () => {
    const quiet = fc.integer({ min: 0, max: 400 * SECOND });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 35 }), quiet, fc.array(quiet), (ejections, quietMs, answersAt) => {
        let { state, until } = failingAgain(ejections);
        for (const at of answersAt.filter((at) => at <= quietMs).sort((a, b) => a - b))
          state = noted(state, "a", "answered", until + at);
        const again = until + quietMs;
        const left = Math.max(0, Math.min(30, ejections) - Math.floor(quietMs / 10_000));
        const lastsMs = Math.min(300, (left + 1) * 10) * SECOND;
        state = failing(state, "a", again);
        assert.equal(isOut(state, "a", again + lastsMs - 1), true);
        assert.equal(isOut(state, "a", again + lastsMs), false);
      }),
      { numRuns: 500 },
    );
  });

  test("nothing is forgiven while it fails, however slowly, and the 10 s begin anew with an answer", () => {
    const { state, until } = failingAgain(3);
    const failed = failing(state, "a", until + 9 * SECOND, 1);
    const slowly = failing(failed, "a", until + 60 * SECOND, 4);
    assert.equal(isOut(slowly, "a", until + 100 * SECOND - 1), true);
    const answered = noted(failed, "a", "answered", until + 60 * SECOND);
    assert.equal(isOut(failing(answered, "a", until + 70 * SECOND - 1), "a", until + 110 * SECOND - 2), true);
    assert.equal(isOut(failing(answered, "a", until + 70 * SECOND), "a", until + 100 * SECOND), false);
  });

  test("a clock that goes back neither forgives nor adds anything", () => {
    const { state, until } = failingAgain(3);
    const back = until - 5 * SECOND;
    const after = failing(noted(state, "a", "answered", until), "a", back);
    assert.equal(isOut(after, "a", back + 40 * SECOND - 1), true);
    assert.equal(isOut(after, "a", back + 40 * SECOND), false);
  });

  test("failures that come in during an ejection don't prolong it", () => {
    const state = failing(failing(NOTHING_EJECTED, "a", 0), "a", 9_000, 20);
    assert.equal(isOut(state, "a", 9_999), true);
    assert.equal(isOut(state, "a", 10_000), false);
  });

  test("an answer during an ejection ends it, and the next one is longer all the same", () => {
    const answered = noted(failing(NOTHING_EJECTED, "a", 0), "a", "answered", 1_000);
    assert.equal(isOut(answered, "a", 1_000), false);
    assert.equal(isOut(failing(answered, "a", 2_000), "a", 21_999), true);
  });

  test("at most half of the nodes are left out, or one of two or three, and never the only one, in any order", () => {
    let tooMany = 0;
    fc.assert(
      fc.property(history, fc.subarray(NAMES), (events, nodes) => {
        const { state, now } = lived(events);
        const out = ejected(state, nodes, now);
        const most = [0, 0, 1, 1, 2, 2, 3, 3][nodes.length]!;
        const ill = nodes.filter((node) => isOut(state, node, now));
        if (ill.length > most) tooMany++;
        assert.equal(out.size, Math.min(most, ill.length));
        assert.ok([...out].every((node) => ill.includes(node)));
        assert.deepEqual(ejected(state, nodes.toReversed(), now), out);
      }),
      { numRuns: 1_000 },
    );
    assert.ok(tooMany > 100, `only ${tooMany} times too many were ejected`);
  });

  test("when too many fail, those that were ejected first stay out, in any order and for however long", () => {
    let { state, until: now } = failingAgain(3, "first");
    state = failing(state, "first", now);
    for (const [place, node] of ["second", "third", "fourth"].entries()) state = failing(state, node, now + place + 1);
    const nodes = ["fourth", "second", "first", "third"];
    assert.deepEqual(ejected(state, nodes, now + 5), new Set(["first", "second"]));
    assert.deepEqual(ejected(state, nodes.toReversed(), now + 5), new Set(["first", "second"]));
    assert.deepEqual(ejected(state, ["fourth", "third"], now + 5), new Set(["third"]));
  });

  test("time alone ejects nobody, and in 300 s lets everybody back", () => {
    const later = fc.integer({ min: 0, max: 300 * SECOND });
    fc.assert(
      fc.property(history, later, later, (events, one, other) => {
        const { state, now } = lived(events);
        const [sooner, later] = [Math.min(one, other), Math.max(one, other)];
        for (const node of NAMES) {
          assert.ok(isOut(state, node, now + sooner) || !isOut(state, node, now + later));
          assert.ok(!isOut(state, node, now + 300 * SECOND));
        }
      }),
    );
  });

  test("a node that answers and has been well for 300 s takes no memory", () => {
    fc.assert(
      fc.property(history, (events) => {
        let { state, now } = lived(events);
        for (const node of NAMES) state = noted(state, node, "answered", now);
        for (const node of NAMES) state = noted(state, node, "answered", now + 300 * SECOND);
        assert.equal(state.size, 0);
      }),
    );
  });

  test("an answer that tells nothing new changes nothing", () => {
    assert.equal(noted(NOTHING_EJECTED, "a", "answered", 0), NOTHING_EJECTED);
    const { state, until } = failingAgain(3);
    const back = noted(state, "a", "answered", until);
    assert.equal(noted(back, "a", "answered", until + 1), back);
  });

  test("nodes that are gone are forgotten, the others are not", () => {
    fc.assert(
      fc.property(history, fc.subarray(NAMES), (events, nodes) => {
        const { state, now } = lived(events);
        const kept = retained(state, nodes);
        assert.ok(kept.size <= nodes.length);
        for (const node of NAMES) assert.equal(isOut(kept, node, now), nodes.includes(node) && isOut(state, node, now));
        assert.equal(retained(state, NAMES), state);
      }),
    );
  });
});
