import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClientRecord } from "../faults/pieces/client-record.ts";
import { type KillEvidence, killReport } from "./kill-report.ts";

const OUTPUT = { name: "OUTPUT0", datatype: "FP32", shape: [1, 2], data: [9_000_000, 1] } as const;

function answered(status: number, sentAt: number, data: readonly number[] = OUTPUT.data): ClientRecord {
  const reply =
    status === 200 ? { outputs: [{ ...OUTPUT, data }] } : { error: "no", code: "model_not_ready", request_id: "one" };
  const headers = { "x-request-id": "one", "content-type": "application/json", "retry-after": "1" };
  const expected = { kind: "outputs" as const, outputs: [OUTPUT] };
  const outcome = { kind: "answered" as const, status, headers, body: JSON.stringify(reply), answeredAt: sentAt + 5 };
  return { id: "one", tenant: "acme", sentAt, deadlineMs: 100, expected, outcome };
}

const RIGHT: KillEvidence = {
  records: [answered(200, 10)],
  markers: new Map([["acme", "9000000"]]),
  words: [],
  denials: [],
  outages: [{ from: 1_000, to: 2_000 }],
  returns: [{ tookMs: 1_000, unnoticedMs: 0 }],
  firstStartMs: 500,
  pool: { node: "one", before: new Map(), after: undefined },
  openedFiles: 0,
  memory: { all: [], grownBy: 0 },
  wrong: [],
  left: [],
};
const UNDER_WAY: readonly (readonly [string, number])[] = [
  ["process_start_time_seconds", 1],
  ["warmgate_pool_requests_received_total", 0],
  ["warmgate_pool_requests_in_flight", 1],
];
const MUCH = 100 * 1024 ** 2;

describe("the report of kills", () => {
  test("of a run in which all was right names nothing as broken", () => {
    assert.deepEqual(killReport(RIGHT).broken, []);
    assert.deepEqual(killReport({ ...RIGHT, records: [answered(503, 1_500)] }).broken, []);
  });

  for (const [what, evidence] of Object.entries<Partial<KillEvidence>>({
    "an answer that is somebody else's": { records: [answered(200, 10, [9_000_000, 2])] },
    "a refusal without an outage": { records: [answered(503, 10)] },
    "a word that was not true": { words: [{ askedAt: 2_500, request: answered(503, 2_501) }] },
    "an end that nobody brought about": { denials: [{ askedAt: 2_500, endedAt: 2_501, what: "ready" }] },
    "figures that are not 0 in the end": { pool: { node: "one", before: new Map(), after: new Map(UNDER_WAY) } },
    "files that stay open": { openedFiles: 1 },
    "memory that has grown": { memory: { all: [], grownBy: MUCH } },
    "what went wrong on the way": { wrong: ["a reload hung"] },
    "processes that are left": { left: ["process 7 belongs to nobody"] },
  })) {
    test(`names ${what}`, () => {
      assert.equal(killReport({ ...RIGHT, ...evidence }).broken.length, 1);
    });
  }

  test("holds a return against a start's time and what may have gone by before the end was noticed", () => {
    const metBy = (unnoticedMs: number, tookMs: number) =>
      killReport({ ...RIGHT, returns: [{ tookMs, unnoticedMs }] }).figures.find(({ label }) => label.includes("beyond"))
        ?.met;
    assert.deepEqual([metBy(0, 2_500), metBy(0, 2_501)], [true, false]);
    assert.deepEqual([metBy(1_000, 3_500), metBy(1_000, 3_501)], [true, false]);
  });
});
