import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { quantile } from "../distribution.ts";
import {
  addComparison,
  addStatistics,
  comparisonStatisticsSchema,
  MOST_OUTPUTS,
  newComparisonStatistics,
} from "./comparison-statistics.ts";
import type { AnswerComparison, OutputComparison } from "./output-comparison.ts";

interface Answer {
  readonly comparison: AnswerComparison;
  readonly stableMs: number;
  readonly candidateMs: number;
}

const gathered = (answers: readonly Answer[]) => {
  const statistics = newComparisonStatistics();
  for (const answer of answers) addComparison(statistics, answer.comparison, answer.stableMs, answer.candidateMs);
  return statistics;
};
const answerOf = (...outputs: OutputComparison[]): Answer => ({
  ...{ comparison: { agrees: true, outputs }, stableMs: 10, candidateMs: 20 },
});
const labels = (name: string): OutputComparison => ({ kind: "values", name, rows: 4, agreeingRows: 3 });

/** More names than there is room for, and some that objects have of their own. */
const names = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "7", "", "x".repeat(257)),
  fc.integer({ min: 0, max: 99 }).map((index) => `output ${index}`),
);
const difference = fc.oneof(fc.constantFrom(0, Number.POSITIVE_INFINITY), fc.double({ min: 0, max: 10, noNaN: true }));
const rows = { rows: fc.integer({ min: 5, max: 9 }), agreeingRows: fc.integer({ min: 0, max: 5 }) };
const outputs: fc.Arbitrary<OutputComparison> = fc.oneof(
  fc.record({ kind: fc.constant("incomparable" as const), name: names }),
  fc.record({ kind: fc.constant("values" as const), name: names, ...rows }),
  fc.record({
    ...{ kind: fc.constant("numbers" as const), name: names, ...rows },
    ...{ maxAbsolute: difference, maxRelative: difference },
  }),
);
const comparisons = fc.record({
  agrees: fc.boolean(),
  outputs: fc.oneof(
    fc.array(outputs, { maxLength: 4 }),
    fc.uniqueArray(outputs, { minLength: 60, maxLength: 90, selector: ({ name }) => name, size: "max" }),
  ),
});
const ms = fc.double({ min: 0.1, max: 5_000, noNaN: true });
const answerLists = fc.array(fc.record({ comparison: comparisons, stableMs: ms, candidateMs: ms }), { maxLength: 12 });

describe("statistics of comparisons", () => {
  test("tell what was added", () => {
    const statistics = gathered([
      answerOf({ kind: "numbers", name: "scores", rows: 8, agreeingRows: 6, maxAbsolute: 4, maxRelative: 0.5 }),
      answerOf({ kind: "numbers", name: "scores", rows: 1, agreeingRows: 1, maxAbsolute: 0, maxRelative: 0 }),
      {
        ...answerOf(),
        comparison: { agrees: false, outputs: [{ kind: "incomparable", name: "scores" }, labels("l")] },
      },
    ]);
    assert.deepEqual([statistics.answers, statistics.agreeingAnswers], [3, 2]);
    const { scores, l } = statistics.outputs;
    assert.ok(scores && l);
    assert.deepEqual([scores.rows, scores.agreeingRows, scores.incomparable], [9, 7, 1]);
    assert.deepEqual([scores.maxAbsolute.count, quantile(scores.maxAbsolute, 1)], [2, 4]);
    assert.deepEqual([scores.maxRelative.count, quantile(scores.maxRelative, 1)], [2, 0.5]);
    assert.deepEqual([l.rows, l.agreeingRows, l.incomparable, l.maxAbsolute.count], [4, 3, 0, 0]);
    const [stableMs, candidateMs] = [quantile(statistics.stableMs, 0.5), quantile(statistics.candidateMs, 0.5)];
    assert.ok(stableMs && stableMs >= 10 && stableMs < 11.25, `${stableMs}`);
    assert.ok(candidateMs && candidateMs >= 20 && candidateMs < 22.5, `${candidateMs}`);
  });

  test("sums are the same in whatever order and in whatever parts they are added", () => {
    const shuffled = answerLists.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }), fc.nat({ max: list.length })),
    );
    fc.assert(
      fc.property(shuffled, ([list, mixed, cut]) => {
        const sum = gathered(mixed.slice(0, cut));
        addStatistics(sum, gathered(mixed.slice(cut)));
        assert.deepEqual(sum, gathered(list));
      }),
      { numRuns: 60 },
    );
  });

  test("what was gathered has the form that is told, and comes through it unchanged", () => {
    fc.assert(
      fc.property(answerLists, (list) => {
        const statistics = gathered(list);
        assert.deepEqual(comparisonStatisticsSchema.parse(JSON.parse(JSON.stringify(statistics))), statistics);
      }),
      { numRuns: 60 },
    );
  });

  test("the names that come first have the room, and nothing of them is missing", () => {
    const named = Array.from({ length: MOST_OUTPUTS + 20 }, (_, index) => `${1000 + index}`);
    const statistics = gathered([...named.toReversed(), ...named].map((name) => answerOf(labels(name))));
    assert.deepEqual(Object.keys(statistics.outputs).sort(), named.slice(0, MOST_OUTPUTS));
    for (const output of Object.values(statistics.outputs)) assert.equal(output.rows, 8);
    assert.equal(statistics.answers, 2 * named.length);
  });

  test("a name that objects have of their own is one like any other, but __proto__ is not told", () => {
    const statistics = gathered([answerOf(labels("constructor"), labels("__proto__"))]);
    assert.deepEqual(Object.keys(statistics.outputs), ["constructor"]);
    assert.deepEqual(
      Object.values(statistics.outputs).map(({ rows }) => rows),
      [4],
    );
    assert.equal(Object.getPrototypeOf(statistics.outputs), Object.prototype);
  });

  test("adding leaves what was added as it is, then and later", () => {
    const from = gathered([answerOf(labels("a"))]);
    const before = structuredClone(from);
    const sum = newComparisonStatistics();
    addStatistics(sum, from);
    addComparison(sum, answerOf(labels("a")).comparison, 1, 1);
    assert.deepEqual(from, before);
  });

  test("what is too much, unknown or no count is refused", () => {
    const sound = gathered([answerOf(labels("a"))]);
    const output = sound.outputs.a!;
    const many = Object.fromEntries(Array.from({ length: MOST_OUTPUTS + 1 }, (_, index) => [`${index}`, output]));
    for (const [what, value] of Object.entries({
      "too many outputs": { ...sound, outputs: many },
      "a long name": { ...sound, outputs: { ["x".repeat(257)]: output } },
      "an unknown key": { ...sound, more: 1 },
      "an unknown key of an output": { ...sound, outputs: { a: { ...output, more: 1 } } },
      "a negative count": { ...sound, answers: -1 },
      "half a row": { ...sound, outputs: { a: { ...output, rows: 0.5 } } },
    })) {
      assert.ok(!comparisonStatisticsSchema.safeParse(value).success, what);
    }
    assert.ok(comparisonStatisticsSchema.safeParse(sound).success);
  });
});
