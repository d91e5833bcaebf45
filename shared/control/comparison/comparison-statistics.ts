/**
 * What comparing a candidate's answers with the stable version's has shown, as plain data: isolates gather it, a Durable Object adds it up.
 *
 * Promises: sums are the same in whatever order they are added; never more than `MOST_OUTPUTS` outputs. Worst case: of answers with
 * more outputs than that, those whose names come first (by UTF-16 code units) are told; all count in whether the answer agrees.
 */

import { z } from "zod";
import { distributionSchema, merge, newDistribution, observe } from "../distribution.ts";
import type { AnswerComparison } from "./output-comparison.ts";

export const MOST_OUTPUTS = 64;
/** In UTF-16 code units. An output whose name is longer, or `__proto__`, is not told. */
const LONGEST_NAME = 256;

const count = z.int().min(0);

const outputStatisticsSchema = z.strictObject({
  /** The largest differences of each answer; nothing for outputs that hold no numbers. */
  maxAbsolute: distributionSchema,
  maxRelative: distributionSchema,
  rows: count,
  agreeingRows: count,
  /** Answers in which it could not be compared; their rows are not counted. */
  incomparable: count,
});
export type OutputStatistics = z.infer<typeof outputStatisticsSchema>;

export const comparisonStatisticsSchema = z.strictObject({
  /** Answers compared, and how many of them agree. */
  answers: count,
  agreeingAnswers: count,
  stableMs: distributionSchema,
  candidateMs: distributionSchema,
  /** By the output's name. */
  outputs: z
    .record(z.string().max(LONGEST_NAME), outputStatisticsSchema)
    .refine((outputs) => Object.keys(outputs).length <= MOST_OUTPUTS),
});
export type ComparisonStatistics = z.infer<typeof comparisonStatisticsSchema>;

export function newComparisonStatistics(): ComparisonStatistics {
  return {
    answers: 0,
    agreeingAnswers: 0,
    stableMs: newDistribution(),
    candidateMs: newDistribution(),
    outputs: {},
  };
}

/**
 * Adds one answer.
 *
 * @param stableMs how long the stable version took, in milliseconds
 * @param candidateMs the same of the candidate
 */
export function addComparison(
  into: ComparisonStatistics,
  comparison: AnswerComparison,
  stableMs: number,
  candidateMs: number,
): void {
  into.answers += 1;
  if (comparison.agrees) into.agreeingAnswers += 1;
  observe(into.stableMs, stableMs);
  observe(into.candidateMs, candidateMs);
  for (const output of comparison.outputs) {
    const statistics = statisticsOf(into.outputs, output.name);
    if (!statistics) continue;
    if (output.kind === "incomparable") {
      statistics.incomparable += 1;
      continue;
    }
    statistics.rows += output.rows;
    statistics.agreeingRows += output.agreeingRows;
    if (output.kind === "values") continue;
    observe(statistics.maxAbsolute, output.maxAbsolute);
    observe(statistics.maxRelative, output.maxRelative);
  }
}

/** Adds what another one has gathered, which stays as it is. */
export function addStatistics(into: ComparisonStatistics, from: ComparisonStatistics): void {
  into.answers += from.answers;
  into.agreeingAnswers += from.agreeingAnswers;
  merge(into.stableMs, from.stableMs);
  merge(into.candidateMs, from.candidateMs);
  for (const [name, output] of Object.entries(from.outputs)) {
    const statistics = statisticsOf(into.outputs, name);
    if (!statistics) continue;
    merge(statistics.maxAbsolute, output.maxAbsolute);
    merge(statistics.maxRelative, output.maxRelative);
    statistics.rows += output.rows;
    statistics.agreeingRows += output.agreeingRows;
    statistics.incomparable += output.incomparable;
  }
}

/**
 * Where an output is counted; undefined where it is not. When there are too many, the last name gives way: what is left at the end was
 * never given up on the way, so nothing of it is missing, whatever came first.
 */
function statisticsOf(outputs: Record<string, OutputStatistics>, name: string): OutputStatistics | undefined {
  if (Object.hasOwn(outputs, name)) return outputs[name];
  if (name.length > LONGEST_NAME || name === "__proto__") return undefined;
  const names = Object.keys(outputs).sort();
  const last = names.at(-1);
  if (last !== undefined && names.length >= MOST_OUTPUTS) {
    if (name > last) return undefined;
    delete outputs[last];
  }
  const statistics: OutputStatistics = {
    maxAbsolute: newDistribution(),
    maxRelative: newDistribution(),
    rows: 0,
    agreeingRows: 0,
    incomparable: 0,
  };
  outputs[name] = statistics;
  return statistics;
}
