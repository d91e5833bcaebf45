import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClientRecord, Outcome } from "../faults/pieces/client-record.ts";
import { brokenByOutages, needlessDenials, untrueReadiness } from "./outages.ts";

const OUTAGES = [{ from: 1_000, to: 2_000 }];

function record(sentAt: number, outcome: Outcome): ClientRecord {
  return { id: "one", tenant: "acme", sentAt, deadlineMs: 500, expected: { kind: "outputs", outputs: [] }, outcome };
}
function answered(sentAt: number, answeredAt: number, status = 200): ClientRecord {
  return record(sentAt, { kind: "answered", status, headers: {}, body: "", answeredAt });
}
function cutOff(sentAt: number, endedAt: number, reason = "ECONNRESET: socket hang up"): ClientRecord {
  return record(sentAt, { kind: "unanswered", reason, endedAt });
}
const broken = (one: ClientRecord) => brokenByOutages([one], OUTAGES);

describe("what clients are told while a process is ended", () => {
  test("a refusal or the end of the connection is told within an outage, and wrong outside of it", () => {
    for (const told of [(from: number, to: number) => answered(from, to, 503), cutOff]) {
      for (const [from, to] of [
        [900, 1_000],
        [1_500, 1_501],
        [2_000, 2_100],
      ] as const) {
        assert.deepEqual(broken(told(from, to)), []);
      }
      for (const [from, to] of [
        [900, 999],
        [2_001, 2_002],
      ] as const)
        assert.equal(broken(told(from, to)).length, 1);
    }
    assert.deepEqual(broken(answered(100, 101)), []);
  });

  test("the end of a connection that comes after the deadline is no word in time", () => {
    assert.deepEqual(broken(cutOff(1_000, 1_550)), []);
    assert.match(broken(cutOff(1_000, 1_551))[0] ?? "", /later than its deadline/);
  });

  test("an error that says nothing of an outage is wrong within one", () => {
    for (const status of [404, 500]) assert.match(broken(answered(1_500, 1_501, status))[0] ?? "", /come again/);
  });

  test("silence is wrong at any time", () => {
    assert.match(broken(cutOff(1_200, 1_300, "nothing came for 5500 ms"))[0] ?? "", /left hanging/);
  });
});

describe("readiness", () => {
  const untrue = (askedAt: number, request: ClientRecord) => untrueReadiness([{ askedAt, request }], OUTAGES).length;

  test("is true when the next request is answered, or when the process has just been ended", () => {
    assert.equal(untrue(500, answered(501, 502)), 0);
    assert.equal(untrue(999, cutOff(999, 1_000)), 0);
    assert.equal(untrue(1_250, cutOff(1_251, 1_252)), 0);
  });

  test("is a lie when the next request fails and nothing has happened to the process", () => {
    assert.equal(untrue(997, cutOff(998, 999)), 1);
    assert.equal(untrue(1_251, cutOff(1_252, 1_253)), 1);
    assert.equal(untrue(2_001, answered(2_001, 2_002, 503)), 1);
  });
});

describe("a pool that says that it is not live or not ready", () => {
  const needless = (askedAt: number, endedAt: number) =>
    needlessDenials([{ askedAt, endedAt, what: "live" }], OUTAGES).length;

  test("is right while its process is being replaced, and wrong otherwise", () => {
    assert.deepEqual([needless(900, 1_000), needless(1_400, 1_500), needless(2_000, 2_100)], [0, 0, 0]);
    assert.deepEqual([needless(900, 999), needless(2_001, 2_002)], [1, 1]);
  });
});
