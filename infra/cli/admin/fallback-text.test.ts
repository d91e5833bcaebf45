import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fallbackSchema, type OutputRule } from "../../../shared/protocol/fallback.ts";
import { UsageError } from "../usage-error.ts";
import { fallbackRulesText, fallbackText, parseFallback, ruleText } from "./fallback-text.ts";

describe("a fallback chain", () => {
  test("has the order of its options, with rules that stand together as one step", () => {
    const given = ["version=2", "cached", "rule:label=none", "rule:score=(0.5*amount[0])", "rule:p=[0.25,0.75]"];
    assert.deepEqual(parseFallback(given), [
      { kind: "version", version: "2" },
      { kind: "cached" },
      {
        kind: "rule",
        outputs: {
          label: { constant: "none" },
          score: { expression: "(0.5*amount[0])" },
          p: { values: [0.25, 0.75] },
        },
      },
    ]);
  });

  test("is taken away with off, alone", () => {
    assert.deepEqual(parseFallback(["off"]), []);
    assert.throws(() => parseFallback(["off", "cached"]), /stands alone/);
  });

  test("takes numbers and truth for what they are, and texts as they stand or in quotes", () => {
    const constantOf = (text: string) => {
      const [step] = parseFallback([`rule:y=${text}`]);
      assert.ok(step?.kind === "rule");
      return step.outputs.y;
    };
    for (const [text, constant] of [
      ["0.1", 0.1],
      ["-1e3", -1000],
      ["true", true],
      ["none", "none"],
      ["a=b", "a=b"],
      ['"5"', "5"],
      ['"(x)"', "(x)"],
      ["null", "null"],
    ] as const) {
      assert.deepEqual(constantOf(text), { constant }, text);
    }
  });

  const wrong: [given: string[], problem: RegExp][] = [
    [["latest"], /--fallback is cached, version=<n>, rule:<output>=<rule>, job, off, not 'latest'/],
    [["version=latest"], /a model version is a whole number/],
    [["rule:=1"], /--fallback is/],
    [["rule:y="], /--fallback is/],
    [["rule:y=(1 +)"], /of y, the expression is not understood: .* at character 5/],
    [["rule:y=[1,"], /the values of y are a list of JSON/],
    [["rule:y=[[1]]"], /the values of y are a list of JSON/],
    [["rule:y=1", "rule:y=2"], /output y has two rules/],
    [["cached", "cached"], /the step cached twice/],
    [["rule:y=1", "cached"], /step cached is behind a rule/],
    [["job", "version=1"], /step version 1 is behind a job/],
    [["version=1", "version=2", "version=3", "version=4", "version=5"], /at most 4 steps/],
    [[`rule:y=${"x".repeat(501)}`], /texts of 500 characters/],
  ];
  for (const [given, problem] of wrong) {
    test(`'${given.join(" ").slice(0, 40)}' is refused, with what is wrong`, () => {
      assert.throws(() => parseFallback(given), { name: "UsageError", message: problem });
    });
  }

  test("that is shown can be given again", () => {
    const anyRule: fc.Arbitrary<OutputRule> = fc.oneof(
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string()).map((constant) => ({
        constant: Object.is(constant, -0) ? 0 : constant,
      })),
      fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 9 }).map((values) => ({ values })),
      fc.constantFrom("x", "(a) + b", "x[1] * 2").map((expression) => ({ expression })),
    );
    fc.assert(
      fc.property(anyRule, (rule) => {
        const [step] = parseFallback([`rule:y=${ruleText(rule)}`]);
        assert.ok(step?.kind === "rule");
        const again = step.outputs.y;
        assert.deepEqual(
          again,
          "expression" in rule && rule.expression[0] !== "(" ? { expression: `(${rule.expression})` } : rule,
        );
      }),
    );
  });

  test("is shown in a line, and its rules a line an output, long lists cut short", () => {
    const chain = parseFallback(["cached", "version=1", "rule:label=none", `rule:p=[${"0.5,".repeat(99)}0.5]`, "job"]);
    assert.equal(fallbackText(chain), "cached -> version 1 -> rule -> job");
    const [title, first, second] = fallbackRulesText(chain)?.split("\n") ?? [];
    assert.equal(title, "OUTPUT  FALLBACK RULE");
    assert.equal(first, "label   none");
    assert.match(second ?? "", /^p {7}\[0\.5,.{40,60}\.\.\. \(100 values\)$/);
    assert.equal(fallbackRulesText(chain.slice(0, 2)), undefined);
  });

  test("is understood or refused as wrong usage, whatever is given", () => {
    const part = fc.constantFrom(
      "cached",
      "version",
      "rule:",
      "=",
      "y",
      "1",
      "(",
      ")",
      "[",
      "]",
      '"',
      "__proto__",
      "off",
      "job",
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(part).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (given) => {
        try {
          assert.ok(fallbackSchema.safeParse(parseFallback(given)).success);
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
