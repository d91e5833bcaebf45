import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { anyExpression, expressionText } from "../../test/support/any-expression.ts";
import { LONGEST_EXPRESSION, parseExpression } from "./expression.ts";

const anyName = fc.oneof(
  fc.constantFrom("x", "min", "len", "e3", "input.1", "pixel-values", "``", "a b"),
  fc.string({ minLength: 1, maxLength: 8 }),
);

describe("an expression", () => {
  test("written with the brackets that it needs is read as what was written", () => {
    let read = 0;
    fc.assert(
      fc.property(anyExpression(anyName, fc.nat(1e9)), (expression) => {
        const text = expressionText(expression);
        fc.pre(text.length <= LONGEST_EXPRESSION);
        read += 1;
        assert.deepEqual(parseExpression(text), expression);
      }),
      { numRuns: 1_000 },
    );
    assert.ok(read > 500);
  });

  test("means the same with spaces and with more brackets", () => {
    assert.deepEqual(parseExpression(" ( (1)+2 )\n*\tx "), parseExpression("(1+2)*x"));
  });

  test("takes a function's name without brackets, or in backticks, for an input", () => {
    assert.deepEqual(parseExpression("min"), { kind: "scalar", name: "min" });
    assert.deepEqual(parseExpression("`in``put 1`[2]"), { kind: "element", name: "in`put 1", index: 2 });
    assert.throws(() => parseExpression("`min`(1)"), { code: "invalid_configuration" });
  });

  const wrong: [text: string, problem: RegExp][] = [
    ["", /missing or too many at its end/],
    ["1 +", /at its end/],
    ["1 2", /at character 3/],
    ["(1", /'\)' is missing at its end/],
    ["x[1.5]", /whole number/],
    ["x[-1]", /whole number/],
    ["x[y]", /whole number/],
    ["x[9007199254740993]", /whole number/],
    ["1 < 2 < 3", /comparisons are not chained/],
    ["sqrt(1, 2)", /sqrt takes 1 arguments, not 2/],
    ["clamp(1)", /clamp takes 3 arguments/],
    ["min()", /character 5/],
    ["len(1)", /len takes the name of an input/],
    ["len(x[0])", /len takes the name of an input/],
    ["pow(2, 3)", /no function 'pow', only len, abs/],
    ["constructor(1)", /no function 'constructor'/],
    ["1 ? 2", /':' is missing/],
    ["1e999", /too large/],
    ["x.y", /nothing begins as character 2/],
    ["a && b", /nothing begins as character 3/],
    ["a = 1", /nothing begins as character 3/],
    ["'x'", /nothing begins/],
    ["``", /nothing begins/],
    [`${"(".repeat(65)}1${")".repeat(65)}`, /nested more than 64 deep/],
    [`${"-".repeat(200)}1`, /nested more than 64 deep/],
    [`0${"?1:0".repeat(80)}`, /nested more than 64 deep/],
    [`1${"+1".repeat(200)}`, /more than 256 parts/],
    ["x".repeat(LONGEST_EXPRESSION + 1), /at most 500 characters/],
  ];
  for (const [text, problem] of wrong) {
    test(`'${text.slice(0, 20)}' is refused, with what is wrong`, () => {
      assert.throws(() => parseExpression(text), { code: "invalid_configuration", message: problem });
    });
  }

  test("is understood or refused, whatever the text", () => {
    const soup = fc.constantFrom(
      ...[
        "(",
        ")",
        "[",
        "]",
        "?",
        ":",
        ",",
        "-",
        "<",
        "==",
        "*",
        "1",
        ".5",
        "1e9",
        "x",
        "`a`",
        "`",
        "min(",
        "len(",
        " ",
      ],
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(soup, { maxLength: 200 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          parseExpression(given);
        } catch (error) {
          assert.ok(error instanceof Error && "code" in error && error.code === "invalid_configuration", String(error));
          assert.ok(error.message.length < 300);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
