import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { againstLarger, againstRatio, againstShare } from "./likelihood-ratio.ts";

const share = fc.double({ min: 0, max: 1, noNaN: true });
const inside = fc.double({ min: 0.001, max: 0.999, noNaN: true });
const requests = fc.integer({ min: 1, max: 12 });
const ratio = fc.double({ min: 1, max: 4, noNaN: true });

const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);
const binomial = (of: number, p: number) =>
  Array.from({ length: of + 1 }, (_, events) => ({
    tally: { events, of },
    probability: choose(of, events) * p ** events * (1 - p) ** (of - events),
  }));
const threeShares = fc
  .tuple(inside, inside, inside)
  .map(([a, b, c]): [number, number, number] => [a / (a + b + c), b / (a + b + c), c / (a + b + c)]);
const trinomial = (of: number, [low, middle, high]: readonly [number, number, number]) =>
  Array.from({ length: of + 1 }, (_, first) =>
    Array.from({ length: of - first + 1 }, (_, second) => ({
      counts: [first, second, of - first - second],
      probability:
        choose(of, first) *
        choose(of - first, second) *
        low ** first *
        middle ** second *
        high ** (of - first - second),
    })),
  ).flat();
/** The largest, over the alternatives, of what a ratio is on average. */
const largestMean = (outcomes: readonly { probability: number; logRatios: readonly number[] | undefined }[]) => {
  const sums = outcomes[0]?.logRatios?.map(() => 0) ?? [];
  for (const { probability, logRatios } of outcomes) {
    for (const [index, logRatio] of logRatios!.entries()) sums[index]! += probability * Math.exp(logRatio);
  }
  return Math.max(...sums);
};
const bothSides = (
  candidate: ReturnType<typeof binomial>,
  stable: ReturnType<typeof binomial>,
  against: (c: { events: number; of: number }, s: { events: number; of: number }) => number[] | undefined,
) =>
  candidate.flatMap((c) =>
    stable.map((s) => ({ probability: c.probability * s.probability, logRatios: against(c.tally, s.tally) })),
  );
const isFair = (mean: number) => assert.ok(mean <= 1 + 1e-9, `${mean} on average`);

describe("under its hypothesis a likelihood ratio is at most 1 on average", () => {
  test("of a share that is what is allowed, or less", () => {
    fc.assert(
      fc.property(inside, share, requests, (most, part, of) => {
        const outcomes = binomial(of, most * part);
        isFair(
          largestMean(
            outcomes.map(({ probability, tally }) => ({ probability, logRatios: againstShare(most, tally) })),
          ),
        );
      }),
    );
  });

  test("of a rate that is the allowed multiple of the other's, or less", () => {
    fc.assert(
      fc.property(ratio, share, share, requests, requests, (allowed, rate, part, of, ofStable) => {
        const sides = [binomial(of, Math.min(1, allowed * rate) * part), binomial(ofStable, rate)] as const;
        isFair(largestMean(bothSides(...sides, (c, s) => againstRatio(allowed, c, s))));
      }),
    );
  });

  test("of values that are no larger than the other's, whatever was expected", () => {
    const log = fc.double({ min: 0, max: 5, noNaN: true });
    const rising = fc.tuple(log, log).map(([a, b]) => [1, Math.exp(a), Math.exp(a + b)]);
    const few = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(
        threeShares,
        threeShares,
        fc.tuple(share, share),
        rising,
        few,
        few,
        (expected, shares, moved, tilt, n, ofStable) => {
          const [low, middle, high] = shares;
          const [fromHigh, fromMiddle] = [high * moved[0], middle * moved[1]];
          const smaller = [low + fromMiddle, middle - fromMiddle + fromHigh, high - fromHigh] as const;
          const outcomes = trinomial(n, smaller).flatMap((c) =>
            trinomial(ofStable, shares).map((s) => ({
              probability: c.probability * s.probability,
              logRatios: againstLarger(expected, [tilt], c.counts, s.counts),
            })),
          );
          isFair(largestMean(outcomes));
        },
      ),
    );
  });

  test("of failures that hit whole bursts of requests, when who gets which version is drawn by lot", () => {
    fc.assert(
      fc.property(requests, requests, fc.nat(24), (of, ofStable, failing) => {
        const failed = Math.min(failing, of + ofStable);
        const outcomes = [];
        for (let events = Math.max(0, failed - ofStable); events <= Math.min(of, failed); events++) {
          const probability =
            (choose(failed, events) * choose(of + ofStable - failed, of - events)) / choose(of + ofStable, of);
          const logRatios = againstRatio(1, { events, of }, { events: failed - events, of: ofStable });
          outcomes.push({ probability, logRatios });
        }
        isFair(largestMean(outcomes));
      }),
    );
  });
});

describe("a look that has nothing to compare", () => {
  test("tells nothing", () => {
    const [none, some] = [
      { events: 0, of: 0 },
      { events: 1, of: 1 },
    ];
    assert.equal(againstShare(0.1, none), undefined);
    assert.equal(againstRatio(1, none, some), undefined);
    assert.equal(againstRatio(1, some, none), undefined);
    assert.equal(againstLarger([0.5, 0.5], [[1, 2]], [0, 0], [1, 1]), undefined);
    assert.equal(againstLarger([0.5, 0.5], [[1, 2]], [1, 1], [0, 0]), undefined);
  });
});
