import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DATATYPES, type Datatype } from "../../protocol/datatype.ts";
import type { OutputRule } from "../../protocol/fallback.ts";
import { dataJson } from "../../protocol/json-data.ts";
import { holdsNumber } from "../../protocol/number-range.ts";
import type { ModelSignature, Tensor } from "../../protocol/tensor.ts";
import { checkElements } from "../../protocol/tensor-decode.ts";
import { halvesOf, numbersOf } from "../comparison/tensor-numbers.ts";
import { RuleFailure } from "./expression-value.ts";
import { packNumbers } from "./packed-numbers.ts";
import { answerByRule } from "./rule.ts";

const input = (name: string, datatype: Exclude<Datatype, "BYTES">, shape: number[], values: number[]): Tensor => ({
  ...{ name, datatype, shape },
  bytes: packNumbers(datatype, Float64Array.from(values)),
});
const X = input("x", "FP32", [2, 3], [1, 2, 3, 10, 20, 30]);
const AMOUNT = input("amount", "INT64", [2], [7, 2 ** 53]);
const WEIGHTS = input("weights", "FP64", [2], [0.5, 0.25]);
const INPUTS: ModelSignature["inputs"] = [
  { name: "x", datatype: "FP32", shape: [-1, 3] },
  { name: "amount", datatype: "INT64", shape: [-1] },
  { name: "weights", datatype: "FP64", shape: [2] },
];

/** What a rule makes of the one output `y`. */
function answered(
  rule: OutputRule,
  { datatype = "FP64", shape = [-1] }: { datatype?: Datatype; shape?: number[] } = {},
  inputs: readonly Tensor[] = [X, AMOUNT, WEIGHTS],
): Tensor {
  const signature = { inputs: INPUTS, outputs: [{ name: "y", datatype, shape }] };
  const [output] = answerByRule({ kind: "rule", outputs: { y: rule } }, signature, { inputs });
  assert.ok(output);
  return output;
}
const computed = (expression: string, shape: number[] = [-1]): unknown =>
  JSON.parse(dataJson(answered({ expression }, { shape })));

describe("a rule", () => {
  test("of a constant fills the output, a row for each row of the inputs", () => {
    const output = answered({ constant: 0.25 }, { datatype: "FP32", shape: [-1, 2, 2] });
    assert.deepEqual(output.shape, [2, 2, 2]);
    assert.equal(dataJson(output), "[0.25,0.25,0.25,0.25,0.25,0.25,0.25,0.25]");
    assert.equal(dataJson(answered({ constant: true }, { datatype: "BOOL" })), "[true,true]");
    assert.equal(dataJson(answered({ constant: "né" }, { datatype: "BYTES", shape: [-1, 1] })), '["né","né"]');
    assert.equal(dataJson(answered({ constant: -3 }, { datatype: "INT64", shape: [] })), "[-3]");
  });

  test("of values repeats them for each row", () => {
    const output = answered({ values: ["a", ""] }, { datatype: "BYTES", shape: [-1, 2] });
    assert.deepEqual([output.shape, dataJson(output)], [[2, 2], '["a","","a",""]']);
    assert.throws(() => answered({ values: [1] }, { shape: [-1, 2] }), RuleFailure);
  });

  test("of an expression is computed from the row's own inputs", () => {
    assert.deepEqual(computed("x[0] + mean(x)"), [3, 30]);
    assert.deepEqual(computed("amount"), [7, 2 ** 53]);
    assert.deepEqual(computed("sum(x) > 10"), [0, 1]);
    assert.deepEqual(computed("max(x) - min(x)", [-1, 2]), [2, 2, 20, 20]);
  });

  test("sees all of an input that has no rows, in each row", () => {
    assert.deepEqual(computed("amount * 0 + sum(weights) + weights[1]"), [1, 1]);
  });

  test("of an output that has no rows sees all of the inputs", () => {
    assert.deepEqual(computed("len(x) + x[5]", [1]), [36]);
    assert.deepEqual(computed("sum(amount) > 0", []), [1]);
  });

  test("answers no rows with no rows", () => {
    const inputs = [input("x", "FP32", [0, 3], []), input("amount", "INT64", [0], []), WEIGHTS];
    for (const rule of [{ constant: 1 }, { values: [1] }, { expression: "mean(x)" }]) {
      const { shape, bytes } = answered(rule, {}, inputs);
      assert.deepEqual([shape, bytes.length], [[0], 0]);
    }
  });

  test("gives the outputs asked for, in that order, and no others", () => {
    const signature = {
      inputs: INPUTS,
      outputs: ["a", "b", "c"].map((name) => ({ name, datatype: "FP32", shape: [-1] }) as const),
    };
    const step = { kind: "rule", outputs: { a: { constant: 1 }, b: { constant: 2 }, c: { constant: 3 } } } as const;
    const request = { inputs: [X, AMOUNT, WEIGHTS], outputs: ["c", "a"].map((name) => ({ name, binary: true })) };
    assert.deepEqual(
      answerByRule(step, signature, request).map((output) => [output.name, dataJson(output)]),
      [
        ["c", "[3,3]"],
        ["a", "[1,1]"],
      ],
    );
    assert.throws(() => answerByRule(step, signature, { ...request, outputs: [{ name: "d", binary: true }] }), {
      code: "unknown_output",
    });
  });

  const failing: [what: string, rule: OutputRule, output: { datatype?: Datatype; shape?: number[] }][] = [
    ["no finite number", { expression: "1 / 0" }, {}],
    ["not a number", { expression: "0 / 0" }, { datatype: "BOOL" }],
    ["a number beyond the datatype", { expression: "256" }, { datatype: "UINT8" }],
    ["an element that there is not", { expression: "x[3]" }, {}],
    ["an input that there is not", { expression: "z" }, {}],
    ["many elements for one", { expression: "x + 1" }, {}],
    ["a constant of another datatype", { constant: "a" }, {}],
    ["BYTES computed", { expression: "1" }, { datatype: "BYTES" }],
    ["an output of no certain size", { constant: 1 }, { shape: [-1, -1] }],
    ["more than 16 MiB", { constant: 1 }, { shape: [-1, 2 ** 21] }],
    ["more than 16 MiB, computed", { expression: "1" }, { shape: [-1, 2 ** 50] }],
  ];
  for (const [what, rule, output] of failing) {
    test(`fails as a RuleFailure, and as nothing else, for ${what}`, () => {
      assert.throws(() => answered(rule, output), RuleFailure);
    });
  }

  test("fails where inputs differ in how many rows they have", () => {
    assert.throws(() => answered({ constant: 1 }, {}, [X, input("amount", "INT64", [3], [1, 2, 3])]), RuleFailure);
  });

  test("does not begin what would take more than 2^21 steps", () => {
    const rows = 2 ** 20;
    const tensor = (name: string, width: number): Tensor => ({
      ...{ name, datatype: "UINT8", shape: [rows, width] },
      bytes: new Uint8Array(rows * width),
    });
    const spec = (name: string, width: number) => ({ name, datatype: "UINT8", shape: [-1, width] }) as const;
    const signature = (width: number): ModelSignature => ({
      inputs: [spec("x", width)],
      outputs: [{ name: "y", datatype: "UINT8", shape: [-1] }],
    });
    const run = (expression: string, width: number) =>
      answerByRule({ kind: "rule", outputs: { y: { expression } } }, signature(width), {
        inputs: [tensor("x", width)],
      });
    assert.equal(run("x", 1)[0]?.bytes.length, rows);
    assert.throws(() => run("x+x+x+x+x", 1), /too large for a rule/);
    for (const expression of ["sum(x)", "x[0]"]) assert.throws(() => run(expression, 4), /too large for a rule/);
  });

  test("sums up an input that has no rows once, not once a row", () => {
    const rows = 50_000;
    const inputs = [
      input(
        "x",
        "FP32",
        [rows, 3],
        Array.from({ length: rows * 3 }, () => 0),
      ),
      input(
        "amount",
        "INT64",
        [rows],
        Array.from({ length: rows }, () => 1),
      ),
      input(
        "weights",
        "FP64",
        [rows],
        Array.from({ length: rows }, () => 1),
      ),
    ];
    const startedAt = performance.now();
    const { bytes } = answered({ expression: "amount + sum(weights)" }, {}, inputs);
    assert.equal(new Float64Array(bytes.buffer)[rows - 1], rows + 1);
    assert.ok(performance.now() - startedAt < 2_000);
  });

  test("never answers what its datatype cannot hold, whatever it comes to", () => {
    const anyNumber = fc.oneof(
      fc.double({ min: 0 }),
      fc.nat(70).map((exponent) => 2 ** exponent - 0.5),
    );
    const outcomes = { answered: 0, failed: 0 };
    fc.assert(
      fc.property(fc.constantFrom(...DATATYPES), anyNumber, fc.boolean(), (datatype, size, isNegative) => {
        const expression = `${isNegative ? "-" : ""}${Number.isFinite(size) ? size : "1/0"}`;
        let output: Tensor;
        try {
          output = answered({ expression }, { datatype, shape: [-1, 2] });
        } catch (error) {
          assert.ok(error instanceof RuleFailure, String(error));
          outcomes.failed += 1;
          return;
        }
        outcomes.answered += 1;
        assert.deepEqual([output.datatype, output.shape], [datatype, [2, 2]]);
        checkElements(output.bytes, datatype, 4, "the output");
        if (datatype === "BOOL" || datatype === "BYTES") return;
        const all =
          datatype === "INT64" || datatype === "UINT64"
            ? Array.from(halvesOf(datatype, output.bytes, 4).high.filter((_, at) => at % 2 === 1))
            : [...numbersOf(datatype, output.bytes, 4)];
        assert.equal(all.length, 4);
        assert.ok(all.every((value) => holdsNumber(datatype, value)));
        if (!datatype.endsWith("INT64")) assert.ok(all.every((value) => value === 0 || value < 0 === isNegative));
      }),
      { numRuns: 2_000 },
    );
    assert.ok(outcomes.answered > 300 && outcomes.failed > 300, JSON.stringify(outcomes));
  });
});
