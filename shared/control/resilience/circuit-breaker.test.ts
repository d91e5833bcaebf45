import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { allow, type BreakerState, type CallOutcome, CLOSED_BREAKER, ended, retryAfterMs } from "./circuit-breaker.ts";

const SECOND = 1_000;
/** No jitter. */
const MIDDLE = 0.5;

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** A history's state: calls one after the other, those that are let through. */
interface Step {
  readonly outcome: CallOutcome | "lost";
  readonly pause: number;
  readonly random: number;
}
const step = fc.record({
  outcome: fc.constantFrom<Step["outcome"]>("ok", "failed", "failed", "failed", "ignored", "lost"),
  pause: fc.oneof({ weight: 4, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(40 * SECOND) }),
  random,
});
const history = fc.array(step, { maxLength: 60, size: "max" });
function lived(steps: readonly Step[]) {
  let [state, now] = [CLOSED_BREAKER, 100_000];
  for (const { outcome, pause, random } of steps) {
    now += pause;
    const answer = allow(state, now);
    state = answer.state;
    if (answer.allowed && outcome !== "lost") state = ended(state, outcome, now, now, random);
  }
  return { state, now };
}

function after(outcomes: readonly CallOutcome[], from: BreakerState, now: number, random = MIDDLE): BreakerState {
  return outcomes.reduce((state, outcome) => ended(allow(state, now).state, outcome, now, now, random), from);
}
const times = (count: number, outcome: CallOutcome): CallOutcome[] => new Array<CallOutcome>(count).fill(outcome);

describe("the circuit breaker", () => {
  test("open, it lets nothing through before its time, and then does", () => {
    fc.assert(
      fc.property(history, random, random, (steps, jitter, share) => {
        const { state, now } = lived([
          ...steps,
          ...new Array<Step>(6).fill({ outcome: "failed", pause: 0, random: jitter }),
        ]);
        fc.pre(state.kind === "open");
        const waitMs = retryAfterMs(state, now);
        assert.equal(allow(state, now + Math.floor(waitMs * share)).allowed, false);
        assert.equal(allow(state, now + waitMs).allowed, true);
      }),
    );
  });

  test("lets a call through at the latest after the wait that it tells, which is 36 s at most", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const { state, now } = lived(steps);
        const waitMs = retryAfterMs(state, now);
        assert.ok(waitMs <= 36 * SECOND);
        assert.equal(allow(state, now + waitMs).allowed, true);
        if (waitMs > 0) assert.equal(allow(state, now + waitMs - 1).allowed, false);
      }),
      { numRuns: 1_000 },
    );
  });

  test("no more probes are under way than one, two after a success, four after two, whoever asks how often", () => {
    const { state, now } = lived(new Array<Step>(5).fill({ outcome: "failed", pause: 0, random: MIDDLE }));
    let breaker = state;
    const at = now + SECOND;
    for (const most of [1, 2, 4]) {
      let probes = most === 1 ? 0 : most / 2 - 1;
      for (let asked = 0; asked < 20; asked++) {
        const answer = allow(breaker, at);
        breaker = answer.state;
        if (answer.allowed) probes++;
      }
      assert.equal(probes, most);
      breaker = ended(breaker, "ok", at, at, MIDDLE);
    }
    assert.equal(breaker.kind, "closed");
  });

  test("four failures in a row leave it closed, the fifth opens it", () => {
    assert.equal(after(times(4, "failed"), CLOSED_BREAKER, 0).kind, "closed");
    assert.equal(after(times(5, "failed"), CLOSED_BREAKER, 0).kind, "open");
    assert.equal(after([...times(4, "failed"), "ok", ...times(4, "failed")], CLOSED_BREAKER, 0).kind, "closed");
  });

  test("of ten calls in 10 s half may not fail, of nine they may", () => {
    const mixed: CallOutcome[] = ["failed", "ok", "failed", "ok", "failed", "ok", "failed", "ok"];
    const nine = after([...mixed, "failed"], CLOSED_BREAKER, 0);
    assert.equal(nine.kind, "closed");
    assert.equal(after([...mixed, "ok", "failed"], CLOSED_BREAKER, 0).kind, "open");
    assert.equal(after(["ok", "failed"], nine, 9_999).kind, "open");
    assert.equal(after(["ok", "failed"], nine, 10_000).kind, "closed");
  });

  test("an answer never opens it, and a call that was shed or cancelled changes nothing while it is closed", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const { state, now } = lived(steps);
        if (state.kind === "open") return;
        assert.notEqual(ended(state, "ok", now, now, MIDDLE).kind, "open");
        if (state.kind === "closed") assert.equal(ended(state, "ignored", now, now, MIDDLE), state);
      }),
    );
  });

  test("it is open for 1 s, then twice as long each time a probe fails, up to 30 s", () => {
    let [state, now] = [after(times(5, "failed"), CLOSED_BREAKER, 0), 0];
    for (const seconds of [1, 2, 4, 8, 16, 30, 30, 30]) {
      assert.equal(retryAfterMs(state, now), seconds * SECOND);
      now += seconds * SECOND;
      state = after(["failed"], state, now);
    }
  });

  test("jitter moves the open time by 20 % at most, either way", () => {
    const openMs = (random: number) => retryAfterMs(after(times(5, "failed"), CLOSED_BREAKER, 0, random), 0);
    assert.equal(openMs(0), 800);
    assert.equal(openMs(MIDDLE), 1_000);
    fc.assert(fc.property(random, (random) => assert.ok(openMs(random) >= 800 && openMs(random) <= 1_200)));
  });

  test("what the open time has grown to is forgotten after 60 s closed, and not before", () => {
    const open = after(["failed"], after(times(5, "failed"), CLOSED_BREAKER, 0), SECOND);
    const closedAt = 3 * SECOND;
    const closed = after(times(3, "ok"), open, closedAt);
    const openMsAfter = (ms: number) => retryAfterMs(after(times(5, "failed"), closed, closedAt + ms), closedAt + ms);
    assert.equal(openMsAfter(60 * SECOND - 1), 4 * SECOND);
    assert.equal(openMsAfter(60 * SECOND), SECOND);
  });

  test("a call that began before it opened is no probe: its end neither closes nor opens it", () => {
    const open = after(times(5, "failed"), CLOSED_BREAKER, 100);
    const { state } = allow(open, 2_000);
    for (const outcome of ["ok", "failed", "ignored"] as const)
      assert.equal(ended(state, outcome, 99, 2_500, MIDDLE), state);
    const closed = after(times(3, "ok"), open, 2_000);
    assert.equal(ended(closed, "failed", 1_999, 3_000, MIDDLE), closed);
  });

  test("a probe that was shed frees its place, and the next one may go", () => {
    const { state } = allow(after(times(5, "failed"), CLOSED_BREAKER, 0), SECOND);
    assert.equal(allow(state, SECOND).allowed, false);
    assert.equal(allow(ended(state, "ignored", SECOND, SECOND, MIDDLE), SECOND).allowed, true);
  });

  test("of several probes the first one's place is the first to be free again", () => {
    const first = allow(after(times(5, "failed"), CLOSED_BREAKER, 0), SECOND);
    const second = allow(ended(first.state, "ok", SECOND, 2 * SECOND, MIDDLE), 2 * SECOND);
    const { state } = allow(second.state, 5 * SECOND);
    assert.equal(retryAfterMs(state, 5 * SECOND), 7 * SECOND);
    assert.equal(allow(state, 12 * SECOND).allowed, true);
  });

  test("a probe of which nothing is heard frees its place after 10 s, and its late answer counts all the same", () => {
    const { state } = allow(after(times(5, "failed"), CLOSED_BREAKER, 0), SECOND);
    assert.equal(allow(state, 11 * SECOND - 1).allowed, false);
    const second = allow(state, 11 * SECOND);
    assert.equal(second.allowed, true);
    const answered = ended(second.state, "ok", SECOND, 12 * SECOND, MIDDLE);
    // Two are allowed after a success, and one is under way.
    const third = allow(answered, 12 * SECOND);
    assert.deepEqual([third.allowed, allow(third.state, 12 * SECOND).allowed], [true, false]);
    assert.equal(ended(second.state, "failed", SECOND, 12 * SECOND, MIDDLE).kind, "open");
  });
});
