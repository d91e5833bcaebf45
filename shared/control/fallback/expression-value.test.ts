import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { anyExpression, expressionText } from "../../../test/support/any-expression.ts";
import { type Expression, parseExpression } from "../../protocol/expression.ts";
import { evaluate, type InputRow, RuleFailure } from "./expression-value.ts";

const ROWS: Readonly<Record<string, readonly number[]>> = {
  one: [2.5],
  three: [-1, 0, 7],
  none: [],
  odd: [Number.NaN, Number.POSITIVE_INFINITY],
};
const rowOf = (name: string): readonly number[] => ROWS[name] ?? [];
const row: InputRow = {
  element(name, index) {
    const value = rowOf(name)[index];
    if (value === undefined) throw new RuleFailure("no such element");
    return value;
  },
  size: (name) => rowOf(name).length,
  summary: (name) => ({
    count: rowOf(name).length,
    sum: rowOf(name).reduce((sum, value) => sum + value, 0),
    min: Math.min(...rowOf(name)),
    max: Math.max(...rowOf(name)),
  }),
};
const value = (text: string) => evaluate(parseExpression(text), row);

/** What JavaScript makes of the same tree. */
function reference(expression: Expression): number {
  return new Function("rows", "missing", `return Number(${source(expression)});`)(ROWS, () => {
    throw new RuleFailure("missing");
  });
}

function source(expression: Expression): string {
  const rows = (name: string) => `rows[${JSON.stringify(name)}]`;
  switch (expression.kind) {
    case "number":
      return `(${expression.value})`;
    case "scalar":
      return `(${rows(expression.name)}.length === 1 ? ${rows(expression.name)}[0] : missing())`;
    case "element":
      return `(${rows(expression.name)}[${expression.index}] ?? missing())`;
    case "row":
      return `...${rows(expression.name)}`;
    case "length":
      return `${rows(expression.name)}.length`;
    case "negation":
      return `(-${source(expression.of)})`;
    case "binary":
      return `(+(${source(expression.left)} ${expression.operator} ${source(expression.right)}))`;
    case "choice":
      return `(${source(expression.condition)} !== 0 ? ${source(expression.ifTrue)} : ${source(expression.ifFalse)})`;
    case "call": {
      const given = expression.arguments.map(source).join(", ");
      const all = `[${given}]`;
      if (expression.name === "sum") return `${all}.reduce((a, b) => a + b, 0)`;
      if (expression.name === "mean") return `(${all}.reduce((a, b) => a + b, 0) / ${all}.length)`;
      if (expression.name === "clamp") return `((x, low, high) => Math.min(Math.max(x, low), high))(${given})`;
      return `Math.${expression.name}(${given})`;
    }
  }
}

describe("the value of an expression", () => {
  test("is that of the same tree in JavaScript, whether a number, NaN or a failure", () => {
    const names = fc.constantFrom(...Object.keys(ROWS));
    fc.assert(
      fc.property(anyExpression(names, fc.nat(3)), (expression) => {
        const [own, other] = [() => evaluate(expression, row), () => reference(expression)].map((run) => {
          try {
            return run();
          } catch (error) {
            assert.ok(error instanceof RuleFailure, String(error));
            return "failure";
          }
        });
        if (typeof own !== "number" || typeof other !== "number" || !Number.isFinite(other)) {
          assert.equal(own, other, expressionText(expression));
        } else {
          // Rows are summed up by themselves first, so sums may differ in their last digits.
          assert.ok(own === other || Math.abs(own - other) <= 1e-9 * Math.abs(other), `${own} ${other}`);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("follows the usual precedence", () => {
    assert.equal(value("1 + 2 * 3 - 4 / 2"), 5);
    assert.equal(value("8 - 4 - 2"), 2);
    assert.equal(value("8 / 4 / 2"), 1);
    assert.equal(value("-one * 2"), -5);
    assert.equal(value("1 + 1 == 2 ? 10 : 20"), 10);
    assert.equal(value("0 ? 1 : 0 ? 2 : 3"), 3);
  });

  test("takes a bare name in min, max, mean and sum for its whole row", () => {
    assert.equal(value("max(three)"), 7);
    assert.equal(value("min(three, -3)"), -3);
    assert.equal(value("mean(three)"), 2);
    assert.equal(value("mean(three, one + 3.5)"), 3);
    assert.equal(value("sum(three, three[2])"), 13);
    assert.equal(value("len(three) + len(none)"), 3);
    assert.throws(() => value("max((three))"), RuleFailure);
  });

  test("of a choice is that of the branch taken, and the other one may fail", () => {
    assert.equal(value("len(none) == 0 ? 0 : none[0]"), 0);
    assert.throws(() => value("len(none) == 0 ? none[0] : 0"), RuleFailure);
  });
});
