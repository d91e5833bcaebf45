import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClientRecord, Outcome } from "../pieces/client-record.ts";
import { answeredMs, figure, isAnsweredInTime, quantile, refusedMs } from "./scenario.ts";

function record(outcome: Outcome): ClientRecord {
  const expected = { kind: "outputs" as const, outputs: [] };
  return { id: "one", tenant: "acme", sentAt: 100, deadlineMs: 50, expected, outcome };
}

function answered(status: number, answeredAt: number, code = ""): ClientRecord {
  return record({ kind: "answered", status, headers: {}, body: JSON.stringify({ code }), answeredAt });
}

describe("a scenario's figures", () => {
  test("are met on their bounds and within them, and missed beyond", () => {
    const met = (value: number) => figure("share", value, { least: 90, most: 95 }).met;
    assert.deepEqual([89.99, 90, 93, 95, 95.01].map(met), [false, true, true, true, false]);
    assert.equal(figure("free", -1, {}).met, true);
  });

  test("say what was measured and what was wanted, in the same unit", () => {
    const { measured, target } = figure("time", 2.345, { unit: "s", digits: 1, most: 5 });
    assert.deepEqual([measured, target], ["2.3 s", "<= 5.0 s"]);
    assert.equal(figure("free", 1, {}).target, "");
  });

  test("that are no numbers are missed", () => {
    assert.equal(figure("share of nothing", Number.NaN, { least: 90 }).met, false);
  });
});

describe("what clients were told", () => {
  const records = [
    ...[answered(200, 150), answered(200, 151), answered(503, 104), answered(503, 102)],
    answered(504, 160, "deadline_exceeded"),
    record({ kind: "unanswered", reason: "it was cut off", endedAt: 150 }),
  ];

  test("is in time when it is an answer and came by the deadline", () => {
    assert.deepEqual(records.map(isAnsweredInTime), [true, false, false, false, false, false]);
  });

  test("took so long, answers and refusals apart, in order", () => {
    assert.deepEqual(answeredMs(records), [50, 51]);
    assert.deepEqual(refusedMs(records), [2, 4]);
  });

  test("has quantiles, of nothing 0", () => {
    assert.deepEqual([quantile([1, 2, 3, 4], 0.5), quantile([1, 2, 3, 4], 1), quantile([], 0.5)], [3, 4, 0]);
  });
});
