import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fallbackSchema } from "./fallback.ts";
import { fallbackProblems } from "./fallback-problems.ts";
import type { ModelSignature } from "./tensor.ts";

const SIGNATURE: ModelSignature = {
  inputs: [
    { name: "amount", datatype: "FP32", shape: [-1] },
    { name: "history", datatype: "FP32", shape: [-1, 4] },
    { name: "words", datatype: "BYTES", shape: [-1, -1] },
  ],
  outputs: [{ name: "score", datatype: "FP32", shape: [-1, 2] }],
};
const output = (datatype: "FP32" | "FP16" | "INT64" | "UINT8" | "BOOL" | "BYTES", shape: number[]): ModelSignature => ({
  ...SIGNATURE,
  outputs: [{ name: "score", datatype, shape }],
});
const problemsOf = (steps: object[], signature = SIGNATURE, requested = ["1"]) =>
  fallbackProblems(fallbackSchema.parse(steps), signature, requested);
const rule = (score: object) => ({ kind: "rule", outputs: { score } });
const version = (name: string) => ({ kind: "version", version: name });

describe("a fallback chain", () => {
  test("of each kind of step, once, has no problems", () => {
    const last = rule({ expression: "history[3] > 0 ? clamp(amount, 0, 1) : mean(history) + len(words)" });
    assert.deepEqual(problemsOf([{ kind: "cached" }, version("2"), version("3"), last]), []);
    assert.deepEqual(problemsOf([{ kind: "cached" }, version("2"), last, { kind: "job" }]), []);
    assert.deepEqual(problemsOf([]), []);
  });

  test("may go to one of several versions that requests are for", () => {
    assert.deepEqual(problemsOf([version("1")], SIGNATURE, ["1", "2"]), []);
  });

  test("takes a value that its output's datatype holds", () => {
    assert.deepEqual(problemsOf([rule({ constant: 65_504 })], output("FP16", [-1])), []);
    assert.deepEqual(problemsOf([rule({ values: ["a", "b"] })], output("BYTES", [2])), []);
    assert.deepEqual(problemsOf([rule({ expression: "amount > 1" })], output("BOOL", [-1])), []);
    assert.deepEqual(problemsOf([rule({ expression: "sum(amount) + history[15]" })], output("FP32", [])), []);
  });

  const wrong: [what: string, problem: RegExp, steps: object[], signature?: ModelSignature][] = [
    ["a step twice", /the step cached twice/, [{ kind: "cached" }, { kind: "cached" }]],
    ["a version twice", /the step version 2 twice/, [version("2"), version("2")]],
    ["two rules", /the step rule twice/, [rule({ constant: 1 }), rule({ constant: 2 })]],
    ["a step behind a rule", /step cached is behind a rule/, [rule({ constant: 1 }), { kind: "cached" }]],
    ["a step behind a job", /step cached is behind a job, which is the last/, [{ kind: "job" }, { kind: "cached" }]],
    ["a rule behind a job", /step rule is behind a job/, [{ kind: "job" }, rule({ constant: 1 })]],
    ["two jobs", /the step job twice/, [{ kind: "job" }, { kind: "job" }]],
    ["a loop", /to version 1 leads back to what has failed/, [version("1")]],
    [
      "an output that there is not",
      /a rule for 'label', which is no output/,
      [{ kind: "rule", outputs: { score: { constant: 1 }, label: { constant: 1 } } }],
    ],
    ["an output left out", /output 'score' is missing/, [{ kind: "rule", outputs: { toString: { constant: 1 } } }]],
    ["a text for numbers", /has '"a"', which is no FP32/, [rule({ constant: "a" })]],
    ["a number for a truth", /has '1', which is no BOOL/, [rule({ constant: 1 })], output("BOOL", [-1])],
    ["a number out of range", /has '256', which is no UINT8/, [rule({ values: [1, 256] })], output("UINT8", [-1, 2])],
    ["a number too large", /has '65520', which is no FP16/, [rule({ constant: 65_520 })], output("FP16", [-1])],
    ["a fraction of a whole", /has '0.5', which is no INT64/, [rule({ constant: 0.5 })], output("INT64", [-1])],
    ["digits that are gone", /has '9007199254740992', which/, [rule({ constant: 2 ** 53 })], output("INT64", [-1])],
    ["too few values", /has 1 values for a row of 2/, [rule({ values: [1] })]],
    ["a row of no certain size", /its shape is \[-1,-1\]/, [rule({ constant: 1 })], output("FP32", [-1, -1])],
    ["an expression for texts", /makes no BYTES/, [rule({ expression: "1" })], output("BYTES", [-1])],
    ["an expression that is none", /is not understood: .* at its end/, [rule({ expression: "1 +" })]],
    ["an input that there is not", /names 'score', which is no input/, [rule({ expression: "score" })]],
    ["texts computed with", /computes with 'words', which is BYTES/, [rule({ expression: "sum(words)" })]],
    ["an element too far", /names element 4 of 'history', which has 4 a row/, [rule({ expression: "history[4]" })]],
    ["many elements for one", /takes 'history' for one number, but it has 4/, [rule({ expression: "-history" })]],
    [
      "rows out of nothing",
      /cannot tell how many rows/,
      [rule({ constant: 1 })],
      { ...SIGNATURE, inputs: [{ name: "amount", datatype: "FP32", shape: [1] }] },
    ],
  ];
  for (const [what, problem, steps, signature] of wrong) {
    test(`with ${what} is told, in one sentence`, () => {
      const [first, ...more] = problemsOf(steps, signature).filter((text) => problem.test(text));
      assert.ok(first && more.length === 0, problemsOf(steps, signature).join("; "));
    });
  }

  test("has bounds", () => {
    const refused = (...steps: object[]) => assert.ok(!fallbackSchema.safeParse(steps).success);
    refused(version("1"), version("2"), version("3"), version("4"), version("5"));
    refused(rule({ constant: "x".repeat(501) }));
    refused(rule({ expression: "x".repeat(501) }));
    refused(rule({ values: Array(4_097).fill(1) }));
    refused(rule({ values: [] }));
    refused(rule({ constant: Number.POSITIVE_INFINITY }));
    refused(rule({ constant: 1, expression: "1" }));
    refused({ kind: "rule", outputs: {} });
    refused({ kind: "cached", version: "1" });
    refused(version("latest"));
  });
});
