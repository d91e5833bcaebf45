/**
 * A fallback chain as people write it, an option a step: `cached`, `version=1`, `rule:score=0.1`, `job`. Rules of several outputs, one
 * behind the other, are one step.
 *
 * What is behind the = of a rule is a number, true or false; a list of them in [], which are the values of a row; an expression in
 * (); else a text. A text that would be read as something else stands in quotes of JSON, which the shell must leave: '"5"'.
 */
import { z } from "zod";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { parseExpression } from "../../../shared/protocol/expression.ts";
import { type FallbackStep, fallbackSchema, MOST_STEPS, type OutputRule } from "../../../shared/protocol/fallback.ts";
import { orderProblems } from "../../../shared/protocol/fallback-problems.ts";
import { UsageError } from "../usage-error.ts";
import { modelVersion } from "./names.ts";
import type { FallbackStepReply } from "./route-replies.ts";
import { table } from "./table.ts";

const OPTION = "--fallback";
const OFF = "off";
export const FALLBACK_FORM = "cached|version=<n>|rule:<output>=<rule>|job|off";
const RULE = /^rule:([^=]+)=(.+)$/s;
const LONGEST_LIST = 60;

const scalar = z.union([z.number(), z.boolean(), z.string()]);

/** @throws UsageError */
export function parseFallback(texts: readonly string[]): readonly FallbackStep[] {
  if (texts.includes(OFF)) {
    if (texts.length > 1) throw new UsageError(`${OPTION} ${OFF} stands alone.`);
    return [];
  }
  const steps: FallbackStep[] = [];
  for (const text of texts) {
    const step = parseStep(text);
    const last = steps.at(-1);
    if (step.kind === "rule" && last?.kind === "rule") {
      const [again] = Object.keys(step.outputs).filter((output) => Object.hasOwn(last.outputs, output));
      if (again !== undefined) throw new UsageError(`${OPTION}: output ${again} has two rules.`);
      steps[steps.length - 1] = { kind: "rule", outputs: { ...last.outputs, ...step.outputs } };
    } else steps.push(step);
  }
  const [problem] = orderProblems(steps);
  if (problem !== undefined) throw new UsageError(`${OPTION}: ${problem}.`);
  const checked = fallbackSchema.safeParse(steps);
  if (checked.success) return checked.data;
  throw new UsageError(`${OPTION}: at most ${MOST_STEPS} steps, texts of 500 characters and 4,096 values.`);
}

function parseStep(text: string): FallbackStep {
  if (text === "cached" || text === "job") return { kind: text };
  const [, version] = /^version=(.*)$/s.exec(text) ?? [];
  if (version !== undefined) return { kind: "version", version: modelVersion(version, OPTION) };
  const [, output = "", rule = ""] = RULE.exec(text) ?? [];
  if (output === "") throw new UsageError(`${OPTION} is ${FALLBACK_FORM.replaceAll("|", ", ")}, not '${text}'.`);
  return { kind: "rule", outputs: Object.fromEntries([[output, parseRule(rule, output)]]) };
}

function parseRule(text: string, output: string): OutputRule {
  if (text.startsWith("(")) {
    checkExpression(text, output);
    return { expression: text };
  }
  if (!text.startsWith("[")) return { constant: scalarOf(text) };
  const values = z.array(scalar).safeParse(jsonOf(text));
  if (values.success) return { values: values.data };
  throw new UsageError(`${OPTION}: the values of ${output} are a list of JSON such as [0.5,0.5].`);
}

function checkExpression(text: string, output: string): void {
  try {
    parseExpression(text);
  } catch (error) {
    if (error instanceof WarmgateError) throw new UsageError(`${OPTION}: of ${output}, ${error.message}.`);
    throw error;
  }
}

/** What JSON does not know is a text as it is. */
function scalarOf(text: string): number | boolean | string {
  const read = scalar.safeParse(jsonOf(text));
  return read.success ? read.data : text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The chain in a line: `cached -> version 1 -> rule`. */
export function fallbackText(steps: readonly FallbackStepReply[]): string {
  return steps.map(({ kind, version }) => (version === undefined ? kind : `${kind} ${version}`)).join(" -> ");
}

/** A line an output of the chain's rules; undefined where it has none. */
export function fallbackRulesText(steps: readonly FallbackStepReply[]): string | undefined {
  const rules = steps.flatMap(({ outputs = {} }) => Object.entries(outputs));
  if (rules.length === 0) return undefined;
  return table(
    [
      { title: "OUTPUT", cell: ([output]) => output },
      { title: "FALLBACK RULE", cell: ([, rule]) => ruleText(rule) },
    ],
    rules,
  );
}

type RuleReply = NonNullable<FallbackStepReply["outputs"]>[string];

/** As `--fallback` takes it, but that long lists are cut short. */
export function ruleText({ constant, values, expression }: RuleReply): string {
  if (expression !== undefined) return expression.startsWith("(") ? expression : `(${expression})`;
  if (values === undefined) return constantText(constant);
  const list = JSON.stringify(values);
  return list.length <= LONGEST_LIST ? list : `${list.slice(0, LONGEST_LIST)}... (${values.length} values)`;
}

function constantText(constant: unknown): string {
  const json = JSON.stringify(constant) ?? "";
  if (typeof constant !== "string") return json;
  const isPlain = constant !== "" && !/^[([]/.test(constant) && scalarOf(constant) === constant;
  return isPlain ? constant : json;
}
