/** Expressions of rules at random, and their text with no more brackets than it needs. */
import fc from "fast-check";
import type { BinaryOperator, Expression, FunctionName } from "../../shared/protocol/expression.ts";

const OPERATORS: readonly BinaryOperator[] = ["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!="];
const ON_NUMBERS: readonly (readonly [FunctionName, number])[] = [
  ["abs", 1],
  ["sqrt", 1],
  ["exp", 1],
  ["log", 1],
  ["clamp", 3],
];
const ON_ROWS: readonly FunctionName[] = ["min", "max", "mean", "sum"];

/** @param name of inputs @param index of their elements */
export function anyExpression(name: fc.Arbitrary<string>, index: fc.Arbitrary<number>): fc.Arbitrary<Expression> {
  const leaf: fc.Arbitrary<Expression> = fc.oneof(
    fc.oneof(fc.nat(100), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })).map(number),
    name.map((named) => ({ kind: "scalar", name: named }) as const),
    fc.tuple(name, index).map(([named, at]) => ({ kind: "element", name: named, index: at }) as const),
    name.map((named) => ({ kind: "length", name: named }) as const),
  );
  return fc.letrec<{ expression: Expression }>((tie) => {
    const part = tie("expression");
    const several = (least: number, most: number) => fc.array(part, { minLength: least, maxLength: most });
    const call = fc
      .constantFrom(...ON_NUMBERS)
      .chain(([named, count]) => several(count, count).map((given) => called(named, given)));
    const row = name.map((named) => ({ kind: "row", name: named }) as const);
    const rowCall = fc
      .tuple(fc.constantFrom(...ON_ROWS), fc.array(fc.oneof(part, row), { minLength: 1, maxLength: 3 }))
      .map(([named, given]) => called(named, given));
    const operator = fc.constantFrom(...OPERATORS);
    const binary = fc
      .tuple(operator, part, part)
      .map(([sign, left, right]): Expression => ({ kind: "binary", operator: sign, left, right }));
    const choice = fc
      .tuple(part, part, part)
      .map(([condition, ifTrue, ifFalse]): Expression => ({ kind: "choice", condition, ifTrue, ifFalse }));
    const negation = part.map((of): Expression => ({ kind: "negation", of }));
    return { expression: fc.oneof({ maxDepth: 5 }, leaf, call, rowCall, binary, choice, negation) };
  }).expression;
}

/** Its text; every bracket in it is needed. */
export function expressionText(expression: Expression): string {
  return textOf(expression, 1);
}

function number(value: number): Expression {
  return { kind: "number", value: Math.abs(value) };
}

function called(name: FunctionName, given: readonly Expression[]): Expression {
  return { kind: "call", name, arguments: given };
}

/** @param power how tightly what is around it binds */
function textOf(expression: Expression, power: number): string {
  const bracketed = (own: number, text: string) => (own < power ? `(${text})` : text);
  switch (expression.kind) {
    case "number":
      return String(expression.value);
    case "scalar":
    case "row":
      return nameText(expression.name);
    case "element":
      return `${nameText(expression.name)}[${expression.index}]`;
    case "length":
      return `len(${nameText(expression.name)})`;
    case "negation":
      return bracketed(5, `-${textOf(expression.of, 5)}`);
    case "binary": {
      const own = "*/".includes(expression.operator) ? 4 : "+-".includes(expression.operator) ? 3 : 2;
      // Of two in a row the left one comes first; comparisons are not chained at all.
      const left = textOf(expression.left, own === 2 ? 3 : own);
      return bracketed(own, `${left} ${expression.operator} ${textOf(expression.right, own + 1)}`);
    }
    case "choice": {
      const { condition, ifTrue, ifFalse } = expression;
      return bracketed(1, `${textOf(condition, 2)} ? ${textOf(ifTrue, 1)} : ${textOf(ifFalse, 1)}`);
    }
    case "call":
      return `${expression.name}(${expression.arguments.map(argumentText).join(", ")})`;
  }
}

/** A bare name would be the whole row. */
function argumentText(argument: Expression): string {
  return argument.kind === "scalar" ? `(${nameText(argument.name)})` : textOf(argument, 1);
}

function nameText(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `\`${name.replaceAll("`", "``")}\``;
}
