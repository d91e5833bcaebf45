import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readExpression, type Selector } from "./expression.ts";

const metrics = (text: string) => readExpression(text).selectors.map(({ metric }) => metric);

describe("reading an expression", () => {
  test("series are told from functions, operators, durations and labels", () => {
    assert.deepEqual(metrics("3600 * job:a:rate1h > bool 10 and b offset 6h unless on (job) rate(c[5m]) == 1e3"), [
      "job:a:rate1h",
      "b",
      "c",
    ]);
    assert.deepEqual(metrics("predict_linear(a[10m], 600) > 2 or vector(1)"), ["a"]);
  });

  test("matchers come with their label, operator and value", () => {
    assert.deepEqual(readExpression('sum(a{x="1",y=~"2|{3}", z!="4"}) / b').selectors, [
      {
        metric: "a",
        matchers: [
          { label: "x", operator: "=", value: "1" },
          { label: "y", operator: "=~", value: "2|{3}" },
          { label: "z", operator: "!=", value: "4" },
        ],
      },
      { metric: "b", matchers: [] },
    ]);
  });

  test("labels that are summed by belong to the series inside, those of a match to the first series and the next", () => {
    const { groupings, matches } = readExpression(
      "sum by (job, model) (rate(a[5m]) or rate(b[5m])) / on (job) group_left max by (job) (c) > d",
    );
    const names = (of: readonly Selector[]) => of.map(({ metric }) => metric).join(" ");
    assert.deepEqual(
      groupings.map(({ labels, over }) => `${labels.join(" ")}: ${names(over)}`),
      ["job model: a b", "job: c"],
    );
    assert.deepEqual(
      matches.map(({ labels, of }) => `${labels.join(" ")}: ${names(of)}`),
      ["job: a c"],
    );
  });
});
