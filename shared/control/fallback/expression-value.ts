/** What an expression comes to for one row of the inputs. It takes at most one step a node; sums of rows are kept by `InputRow`. */
import type { BinaryOperator, Expression, FunctionName } from "../../protocol/expression.ts";

/** Why a rule has no answer to a request. Nothing of the inputs is in its text. */
export class RuleFailure extends RangeError {
  override readonly name = "RuleFailure";
}

/** All elements of a row, taken together. */
export interface RowSummary {
  readonly count: number;
  readonly sum: number;
  /** Infinity of nothing. */
  readonly min: number;
  /** -Infinity of nothing. */
  readonly max: number;
}

/** The inputs as one row sees them. Each throws RuleFailure for what there is not. */
export interface InputRow {
  /** Of the input's row, row-major. */
  element(name: string, index: number): number;
  size(name: string): number;
  summary(name: string): RowSummary;
}

const BINARY: Readonly<Record<BinaryOperator, (left: number, right: number) => number>> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "<": (left, right) => Number(left < right),
  "<=": (left, right) => Number(left <= right),
  ">": (left, right) => Number(left > right),
  ">=": (left, right) => Number(left >= right),
  "==": (left, right) => Number(left === right),
  "!=": (left, right) => Number(left !== right),
};

/** By IEEE 754: what is not finite on the way may be so in the end, as in `min(1 / x, 5)`. @throws RuleFailure */
export function evaluate(expression: Expression, row: InputRow): number {
  switch (expression.kind) {
    case "number":
      return expression.value;
    case "scalar":
      if (row.size(expression.name) !== 1) throw new RuleFailure("the rule takes an input of many elements for one");
      return row.element(expression.name, 0);
    case "element":
      return row.element(expression.name, expression.index);
    case "length":
      return row.size(expression.name);
    case "row":
      throw new RuleFailure("the rule takes a whole row for a number");
    case "negation":
      return -evaluate(expression.of, row);
    case "binary":
      return BINARY[expression.operator](evaluate(expression.left, row), evaluate(expression.right, row));
    case "choice":
      return evaluate(evaluate(expression.condition, row) === 0 ? expression.ifFalse : expression.ifTrue, row);
    case "call":
      return called(expression.name, expression.arguments, row);
  }
}

function called(name: FunctionName, given: readonly Expression[], row: InputRow): number {
  switch (name) {
    case "min":
      return taken(given, row, (most, { min }) => Math.min(most, min), Number.POSITIVE_INFINITY);
    case "max":
      return taken(given, row, (least, { max }) => Math.max(least, max), Number.NEGATIVE_INFINITY);
    case "sum":
      return taken(given, row, (total, { sum }) => total + sum, 0);
    case "mean":
      return called("sum", given, row) / taken(given, row, (all, { count }) => all + count, 0);
  }
  const [first = Number.NaN, low = Number.NaN, high = Number.NaN] = given.map((argument) => evaluate(argument, row));
  switch (name) {
    case "abs":
      return Math.abs(first);
    case "sqrt":
      return Math.sqrt(first);
    case "exp":
      return Math.exp(first);
    case "log":
      return Math.log(first);
    case "clamp":
      return Math.min(Math.max(first, low), high);
  }
}

/** Over numbers and whole rows alike. */
function taken(
  given: readonly Expression[],
  row: InputRow,
  next: (sofar: number, summary: RowSummary) => number,
  start: number,
): number {
  return given.reduce((sofar, argument) => next(sofar, summaryOf(argument, row)), start);
}

function summaryOf(argument: Expression, row: InputRow): RowSummary {
  if (argument.kind === "row") return row.summary(argument.name);
  const value = evaluate(argument, row);
  return { count: 1, sum: value, min: value, max: value };
}
