/** What is wrong with a fallback chain although each of its fields is allowed, one sentence each. */
import { quoted } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { type Expression, parseExpression, partsOf } from "./expression.ts";
import type { FallbackStep, OutputRule, RuleStep } from "./fallback.ts";
import { holdsElement } from "./number-range.ts";
import { shapeText } from "./shape.ts";
import type { ModelSignature, TensorSpec } from "./tensor.ts";
import { fixedCount, hasRows, rowShape } from "./tensor-rows.ts";

/** Of the order alone: steps that are there twice, and steps that no request comes to. */
export function orderProblems(steps: readonly FallbackStep[]): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const step of steps) {
    const text = step.kind === "version" ? `version ${step.version}` : step.kind;
    if (seen.has(text)) problems.push(`the fallback has the step ${text} twice`);
    else if (seen.has("job")) problems.push(`the fallback's step ${text} is behind a job, which is the last resort`);
    // A rule may have no answer to a request, and then only a job can help.
    else if (seen.has("rule") && step.kind !== "job")
      problems.push(`the fallback's step ${text} is behind a rule, which always answers`);
    seen.add(text);
  }
  return problems;
}

/** @param requested the versions that requests are for, before any fallback */
export function fallbackProblems(
  steps: readonly FallbackStep[],
  signature: ModelSignature,
  requested: readonly string[],
): string[] {
  return [
    ...orderProblems(steps),
    ...steps.flatMap((step) => {
      if (step.kind === "rule") return ruleProblems(step, signature);
      return step.kind === "version" && requested.length === 1 && requested[0] === step.version
        ? [`the fallback to version ${step.version} leads back to what has failed: requests are for no other version`]
        : [];
    }),
  ];
}

function ruleProblems({ outputs }: RuleStep, signature: ModelSignature): string[] {
  const problems: string[] = [];
  for (const name of Object.keys(outputs)) {
    if (!signature.outputs.some((spec) => spec.name === name)) {
      problems.push(`the fallback has a rule for ${quoted(name)}, which is no output`);
    }
  }
  for (const spec of signature.outputs) {
    const rule = Object.hasOwn(outputs, spec.name) ? outputs[spec.name] : undefined;
    const about = (problem: string) => problems.push(`the fallback's rule for output ${quoted(spec.name)} ${problem}`);
    if (rule === undefined) about("is missing");
    else for (const problem of outputProblems(rule, spec, signature.inputs)) about(problem);
  }
  return problems;
}

function outputProblems(rule: OutputRule, spec: TensorSpec, inputs: readonly TensorSpec[]): string[] {
  const { datatype } = spec;
  const count = fixedCount(rowShape(spec, hasRows(spec)));
  if (count === undefined) return [`cannot tell its size: its shape is ${shapeText(spec.shape)}`];
  if (hasRows(spec) && !inputs.some(hasRows)) return ["cannot tell how many rows there are: no input has any"];
  if ("expression" in rule) {
    return datatype === "BYTES" ? ["is an expression, which makes no BYTES"] : expressionProblems(rule, spec, inputs);
  }
  const values = "constant" in rule ? [rule.constant] : rule.values;
  const wrong = values.find((value) => !holdsElement(datatype, value));
  return [
    ...(wrong === undefined ? [] : [`has ${quoted(JSON.stringify(wrong))}, which is no ${datatype}`]),
    ...("values" in rule && values.length !== count ? [`has ${values.length} values for a row of ${count}`] : []),
  ];
}

function expressionProblems(
  { expression: text }: { readonly expression: string },
  spec: TensorSpec,
  inputs: readonly TensorSpec[],
): string[] {
  let expression: Expression;
  try {
    expression = parseExpression(text);
  } catch (error) {
    if (error instanceof WarmgateError) return [`is wrong: ${error.message}`];
    throw error;
  }
  const problems = partsOf(expression).flatMap((part) => partProblem(part, hasRows(spec), inputs) ?? []);
  return [...new Set(problems)];
}

type Reference = Extract<Expression, { readonly kind: "scalar" | "element" | "row" | "length" }>;

function isReference(part: Expression): part is Reference {
  return part.kind === "scalar" || part.kind === "element" || part.kind === "row" || part.kind === "length";
}

/** @param byRow whether the expression sees a row of an input that has rows, or all of it */
function partProblem(part: Expression, byRow: boolean, inputs: readonly TensorSpec[]): string | undefined {
  if (!isReference(part)) return undefined;
  const name = quoted(part.name);
  const input = inputs.find((one) => one.name === part.name);
  if (!input) return `names ${name}, which is no input`;
  if (part.kind === "length") return undefined;
  if (input.datatype === "BYTES") return `computes with ${name}, which is BYTES`;
  const count = fixedCount(rowShape(input, byRow));
  if (count === undefined || part.kind === "row") return undefined;
  if (part.kind === "element") {
    return part.index < count ? undefined : `names element ${part.index} of ${name}, which has ${count} a row`;
  }
  return count === 1 ? undefined : `takes ${name} for one number, but it has ${count} a row: name one, as in x[0]`;
}
