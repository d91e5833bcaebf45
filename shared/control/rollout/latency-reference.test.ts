import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { newDistribution, observe } from "../distribution.ts";
import { againstSlower, newReference, referenceWith } from "./latency-reference.ts";
import { eValue, newTest, updated } from "./sequential-test.ts";

const of = (values: readonly number[]) => {
  const distribution = newDistribution();
  for (const value of values) observe(distribution, value);
  return distribution;
};
const evenly = (from: number, to: number, count = 1_000) =>
  of(Array.from({ length: count }, (_, index) => from + ((to - from) * (index + 0.5)) / count));
const latencies = fc.array(fc.double({ min: 0.01, max: 1e5, noNaN: true }), { minLength: 100, maxLength: 300 });
const ratio = fc.double({ min: 1, max: 10, noNaN: true });
const cutsFrom = (values: readonly number[]) => referenceWith(newReference(0), of(values), 1).cuts!;
/** The most that any of the alternatives gets out of a look. */
const most = (logRatios: readonly number[] | undefined) => Math.max(...logRatios!);

describe("latencies", () => {
  test("of a candidate that is exactly as many times slower as it may be speak for it, wherever the cuts are", () => {
    fc.assert(
      fc.property(latencies, latencies, ratio, (earlier, values, times) => {
        const candidate = of(values.map((value) => value * times * (1 - 1e-12)));
        assert.ok(most(againstSlower(cutsFrom(earlier), times, candidate, of(values))) <= 1e-9);
      }),
    );
  });

  test("speak against a candidate that is slower than that, in general or now and then", () => {
    const values = Array.from({ length: 200 }, (_, index) => 100 * 2 ** (index / 100));
    const cuts = cutsFrom(values);
    for (const slow of [
      values.map((value) => 2 * value),
      values.map((value, index) => (index % 20 === 0 ? 8 * value : value)),
    ]) {
      const look = againstSlower(cuts, 1.5, of(slow), of(values))!;
      assert.ok(most(look) > 3, `${most(look)}`);
    }
  });

  test("after load has made both versions slower by a third, still tell that the candidate is slower, and nothing of a good one", () => {
    const cuts = cutsFrom(Array.from({ length: 200 }, (_, index) => 100 + index));
    const [stable, slow] = [evenly(133, 400), evenly(266, 800)];
    const after = (candidate: typeof stable) => {
      const looks = Array.from({ length: 10 }, () => againstSlower(cuts, 1.5, candidate, stable));
      return eValue(looks.reduce(updated, newTest()));
    };
    assert.ok(after(slow) > 1e5);
    assert.ok(after(stable) < 1);
  });

  test("are in classes by the stable version's quantiles, once 100 are known", () => {
    assert.equal(referenceWith(newReference(0), evenly(1, 9, 99), 60_000).cuts, null);
    const { of: known, ms, expected } = referenceWith(newReference(0), evenly(0, 1_000), 1).cuts!;
    assert.equal(known, 1_000);
    for (const [index, exact] of [200, 500, 800, 990].entries()) {
      assert.ok(ms[index]! >= exact && ms[index]! <= exact * 2 ** (1 / 8), `${ms[index]} for ${exact}`);
    }
    assert.ok(Math.abs(expected.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
    assert.ok(expected.every((share) => share > 0));
  });

  test("are cut where the new load has them, a minute after it has changed", () => {
    let reference = newReference(0);
    for (let second = 1; second <= 661; second++) {
      reference = referenceWith(reference, second <= 600 ? evenly(10, 20, 10) : evenly(100, 200, 10), second * 1000);
    }
    assert.ok(reference.cuts!.ms[1]! > 145);
    assert.ok(reference.recent.count < 310);
  });

  test("that a clock of milliseconds cannot tell apart are the same", () => {
    const cuts = cutsFrom(Array(100).fill(0));
    assert.ok(most(againstSlower(cuts, 1.5, of(Array(50).fill(2)), of(Array(50).fill(0)))) <= 1e-9);
    assert.ok(most(againstSlower(cuts, 1.5, of(Array(50).fill(3)), of(Array(50).fill(0)))) > 3);
  });
});
