import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { PRIORITY_CLASSES, type PriorityClass } from "../../protocol/priority.ts";
import {
  accepted,
  refused,
  rejectProbability,
  requested,
  type ThrottleState,
  UNTHROTTLED,
} from "./adaptive-throttle.ts";

const SECOND = 1_000;
const START = 1e9;
const priorityClass = fc.constantFrom(...PRIORITY_CLASSES);

/** Linear congruential generator (Numerical Recipes). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Traffic {
  readonly perSecond: number;
  readonly seconds: number;
  readonly of: PriorityClass;
  /** Whether the node takes what it is sent, at a second. */
  readonly takes: (second: number, random: number) => boolean;
  readonly seed: number;
}
/** Asks evenly; each request is answered before the next. */
function served({ perSecond, seconds, of, takes, seed }: Traffic) {
  const random = seededRandom(seed);
  let state = UNTHROTTLED;
  const requests = Array.from({ length: perSecond * seconds }, (_, index) => {
    const second = index / perSecond;
    const now = START + second * SECOND;
    const probability = rejectProbability(state, of, now);
    state = requested(state, of, now);
    const sent = random() >= probability;
    const taken = sent && takes(second, random());
    state = taken ? accepted(state, of, now) : refused(state, of, now);
    return { second, probability, sent, taken };
  });
  const count = (from: number, what: "sent" | "taken") =>
    requests.filter((request) => request.second >= from && request[what]).length;
  return { requests, count };
}

/** Requests of a class that came to an end, all at once. */
const some = (state: ThrottleState, of: PriorityClass, end: typeof accepted, times: number, now = START) => {
  let after = state;
  for (let time = 0; time < times; time++) after = end(requested(after, of, now), of, now);
  return after;
};
const burst = fc.record({
  of: priorityClass,
  accepted: fc.boolean(),
  times: fc.nat(40),
  pause: fc.integer({ min: 0, max: 50 * SECOND }),
});
const history = fc.array(burst, { maxLength: 20, size: "max" });
type Burst = typeof burst extends fc.Arbitrary<infer Value> ? Value : never;
function lived(bursts: readonly Burst[]) {
  let [state, now] = [UNTHROTTLED, START];
  for (const { of, accepted: isAccepted, times, pause } of bursts) {
    now += pause;
    state = some(state, of, isAccepted ? accepted : refused, times, now);
  }
  return { state, now };
}

describe("adaptive throttling", () => {
  test("nothing is refused while all is accepted, however many are under way", () => {
    const flight = fc.record({ of: priorityClass, underWay: fc.nat(100), pause: fc.nat(40 * SECOND) });
    fc.assert(
      fc.property(fc.array(flight, { maxLength: 20, size: "max" }), (flights) => {
        let [state, now] = [UNTHROTTLED, START];
        for (const { of, underWay, pause } of flights) {
          for (let call = 0; call < underWay; call++) {
            state = requested(state, of, now);
            for (const each of PRIORITY_CLASSES) assert.equal(rejectProbability(state, each, now), 0);
          }
          now += pause;
          for (let call = 0; call < underWay; call++) state = accepted(state, of, now);
        }
      }),
    );
  });

  test("a node that is silent is throttled before it has refused anything, once 500 calls are under way", () => {
    let state = UNTHROTTLED;
    const probabilities = Array.from({ length: 503 }, () => {
      state = requested(state, "default", START);
      return rejectProbability(state, "default", START);
    });
    assert.deepEqual(probabilities.slice(0, 500), new Array<number>(500).fill(0));
    assert.deepEqual(probabilities.slice(500), [1 / 2, 2 / 3, 3 / 4]);
  });

  test("it is the formula of the book", () => {
    const state = some(some(UNTHROTTLED, "default", accepted, 30), "default", refused, 70);
    assert.equal(rejectProbability(state, "default", START), (100 - 2 * 30) / 101);
    assert.equal(rejectProbability(state, "batch", START), (100 - 1.5 * 30) / 101);
  });

  test("of what an overloaded node is sent it accepts one in K, however much is asked", () => {
    for (const [of, k] of [
      ["critical", 2],
      ["default", 2],
      ["sheddable", 1.5],
      ["batch", 1.5],
    ] as const) {
      for (const perSecond of [40, 80]) {
        // It has room for ten a second.
        let [at, room] = [0, 10];
        const takes = (second: number) => {
          if (Math.floor(second) !== at) [at, room] = [Math.floor(second), 10];
          return room-- > 0;
        };
        const { count } = served({ perSecond, seconds: 600, of, takes, seed: 7 });
        const ratio = count(300, "sent") / count(300, "taken");
        // At a fifth, the rate that is sent in any case is above K times the rate that is taken.
        const expected = Math.max(k, perSecond / 5 / 10);
        assert.ok(Math.abs(ratio - expected) < 0.15, `${of} at ${perSecond}: ${ratio}`);
      }
    }
  });

  test("a node that refuses everything is sent a fifth", () => {
    const { requests, count } = served({ perSecond: 50, seconds: 240, of: "default", takes: () => false, seed: 3 });
    const share = count(60, "sent") / requests.filter(({ second }) => second >= 60).length;
    assert.ok(Math.abs(share - 0.2) < 0.02, `${share}`);
  });

  test("when a node takes everything again, all is let through within 5 seconds, of the lower classes within 8", () => {
    for (const [of, seconds] of [
      ["default", 5],
      ["batch", 8],
    ] as const) {
      for (const perSecond of [5, 50]) {
        for (const outage of [30, 120, 300]) {
          const takes = (second: number) => second >= outage;
          const { requests } = served({ perSecond, seconds: outage + 20, of, takes, seed: outage });
          const throttled = requests.filter(({ probability }) => probability > 0);
          const lastAt = (throttled.at(-1)?.second ?? 0) - outage;
          assert.ok(lastAt > 0 && lastAt < seconds, `${of}, ${perSecond}/s, ${outage} s: ${lastAt} s`);
        }
      }
    }
  });

  test("where a node treats all classes alike, a lower class is refused no less than a higher", () => {
    const counts = fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(counts, fc.nat(10), fc.nat(10), (asked, takes, of) => {
        let state = UNTHROTTLED;
        for (const [index, each] of PRIORITY_CLASSES.entries()) {
          state = some(state, each, accepted, asked[index]! * takes);
          state = some(state, each, refused, asked[index]! * of);
        }
        const probabilities = PRIORITY_CLASSES.map((each) => rejectProbability(state, each, START));
        for (const [index, probability] of probabilities.entries())
          assert.ok(index === 0 || probability >= probabilities[index - 1]!, `${probabilities}`);
      }),
    );
  });

  test("what is refused of the lower classes is no reason to refuse a higher one", () => {
    fc.assert(
      fc.property(history, priorityClass, (bursts, of) => {
        const { state, now } = lived(bursts);
        const above = bursts.map((burst) =>
          PRIORITY_CLASSES.indexOf(burst.of) > PRIORITY_CLASSES.indexOf(of) ? { ...burst, times: 0 } : burst,
        );
        assert.equal(rejectProbability(state, of, now), rejectProbability(lived(above).state, of, now));
      }),
    );
  });

  test("it is from 0 to 0.8, and after three seconds in which nothing was asked it is 0", () => {
    fc.assert(
      fc.property(history, priorityClass, (bursts, of) => {
        const { state, now } = lived(bursts);
        const probability = rejectProbability(state, of, now);
        assert.ok(probability >= 0 && probability <= 0.8);
        assert.equal(rejectProbability(state, of, now + 3 * SECOND), 0);
      }),
    );
  });

  test("what was asked up to 2.5 s ago counts", () => {
    fc.assert(
      fc.property(fc.nat(SECOND / 2), (offset) => {
        const state = some(UNTHROTTLED, "default", refused, 100, START + offset);
        assert.equal(rejectProbability(state, "default", START + offset + 2.5 * SECOND), 0.8);
      }),
    );
  });
});
