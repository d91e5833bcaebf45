import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ERROR_KINDS, type ErrorCode } from "../../../shared/protocol/errors.ts";
import type { PoolFigures } from "./account-check.ts";
import type { Answered, ClientRecord, Expectation } from "./client-record.ts";
import { brokenInvariants, type Evidence } from "./invariant-checker.ts";

const MARKERS = new Map([
  ["acme", "700001"],
  ["umbrella", "700002"],
]);

const isCode = (name: string): name is ErrorCode => name in ERROR_KINDS;
const CODES = Object.keys(ERROR_KINDS).filter(isCode);

function outputs(marker: number) {
  return [{ name: "OUTPUT0", datatype: "FP32" as const, shape: [1, 2], data: [marker, 5] }];
}

const right: Expectation = { kind: "outputs", outputs: outputs(700001) };

/** A request of acme that is answered as it should be, but for what is given. */
function record(answer: Partial<Answered> = {}, more: Partial<ClientRecord> = {}): ClientRecord {
  return {
    ...{ id: "r1", tenant: "acme", sentAt: 1_000, deadlineMs: 500, expected: right },
    outcome: {
      ...{ kind: "answered", status: 200, answeredAt: 1_400 },
      headers: { "x-request-id": "r1", "content-type": "application/json", "server-timing": "total;dur=700.2" },
      body: JSON.stringify({ model_name: "m", model_version: "1", outputs: outputs(700001) }),
      ...answer,
    },
    ...more,
  };
}

/** As the edge refuses, but for what is given. */
function refusal(code: ErrorCode, more: { error?: string; headers?: Record<string, string>; body?: string } = {}) {
  const { status } = ERROR_KINDS[code];
  const again = status === 503 || status === 429 ? { "retry-after": "1" } : {};
  return record({
    status,
    headers: { "x-request-id": "r1", "content-type": "application/json", ...again, ...more.headers },
    body: more.body ?? JSON.stringify({ error: more.error ?? "it was refused", code, request_id: "r1" }),
  });
}

const line = (status = 200, id = "r1", tenant: string | undefined = "acme") =>
  JSON.stringify({ ts: "now", request_id: id, status, tenant });

/** What is broken if nothing is known but these records, each with its line. */
function brokenBy(records: readonly ClientRecord[], more: Partial<Evidence> = {}): string[] {
  const answered = records.filter(({ outcome }) => outcome.kind === "answered");
  const edgeLog = answered.map(({ id, tenant, outcome }) =>
    line(outcome.kind === "answered" ? outcome.status : 0, id, tenant),
  );
  return brokenInvariants({ records, markers: MARKERS, edgeLog, pools: [], ...more });
}

/** Exactly one thing is broken, and it is said like this. */
function assertBroken(broken: readonly string[], ...patterns: readonly RegExp[]): void {
  assert.equal(broken.length, patterns.length, broken.join("\n"));
  for (const [index, pattern] of patterns.entries()) assert.match(broken[index]!, pattern);
}

describe("what is as it should be breaks nothing", () => {
  test("a right answer, and every error in its own form", () => {
    assert.deepEqual(brokenBy([record()]), []);
    for (const code of CODES) assert.deepEqual(brokenBy([refusal(code)]), [], code);
    const error = "x-warmgate-timeout-ms must be from 1 to 60000; read /v2/models/m and /openapi.json at 12:30:05";
    assert.deepEqual(brokenBy([refusal("invalid_request", { error })]), []);
  });

  test("several lines written at once, lines of others, and lines that are none", () => {
    const edgeLog = [
      `${line()}\n${line(200, "health")}`,
      "workerd says something",
      '{"level":"error","request_id":"r1"}',
    ];
    assert.deepEqual(brokenBy([record()], { edgeLog }), []);
  });

  test("a request that never came to the edge needs no line", () => {
    const lost = record({}, { outcome: { kind: "unanswered", reason: "ECONNREFUSED", endedAt: 150 } });
    assertBroken(brokenBy([lost], { edgeLog: [] }), /^I1/);
  });
});

describe("I1: each request has one answer, its own", () => {
  test("none", () => {
    const lost = record({}, { outcome: { kind: "unanswered", reason: "ECONNRESET", endedAt: 150 } });
    assertBroken(brokenBy([lost]), /^I1: request r1 of acme was not answered: ECONNRESET$/);
  });

  test("two", () => {
    assertBroken(brokenBy([record(), record()], { edgeLog: [line()] }), /^I1: request r1 was answered 2 times$/);
  });

  test("that of another request, or of nobody", () => {
    assertBroken(brokenBy([record({ headers: { "x-request-id": "r2" } })]), /^I1: .* got the answer of r2$/);
    assertBroken(brokenBy([record({ headers: {} })]), /^I1: .* got the answer of nobody$/);
  });
});

describe("I2: no answer is later than the deadline and some slack", () => {
  test("50 ms of it unless another one is given", () => {
    assert.deepEqual(brokenBy([record({ answeredAt: 1_550 })]), []);
    assertBroken(brokenBy([record({ answeredAt: 1_551 })]), /^I2: .* after 551 ms, with a deadline of 500 ms$/);
    assertBroken(brokenBy([record({ answeredAt: 1_511 })], { slackMs: 10 }), /^I2/);
  });
});

describe("I3: nothing of another tenant", () => {
  test("in an answer, in an error, in a header", () => {
    const foreign = JSON.stringify({ outputs: outputs(700002) });
    assertBroken(brokenBy([record({ body: foreign })]), /^I3: .* data of umbrella$/, /^I3: .* own marker$/, /^I4/);
    assertBroken(brokenBy([refusal("model_failed", { error: "element 700002 is bad" })]), /^I3: .* data of umbrella$/);
    const { outcome } = record();
    assert.ok(outcome.kind === "answered");
    assertBroken(brokenBy([record({ headers: { ...outcome.headers, etag: '"700002"' } })]), /^I3/);
  });

  test("a longer number that holds the same digits is none of it", () => {
    assert.deepEqual(brokenBy([refusal("model_failed", { error: "17000023 and 700002.5 and x700002" })]), []);
  });

  test("and inputs are not in the log", () => {
    const edgeLog = [line(), '{"level":"error","cause":"bad [700002,1]"}'];
    assertBroken(brokenBy([record()], { edgeLog }), /^I3: the edge's log holds data of umbrella$/);
  });
});

describe("I4: right, or an error", () => {
  test("another element, another shape, another name, one output more, half of the text", () => {
    const wrong = [
      { ...outputs(700001)[0]!, data: [700001, 6] },
      { ...outputs(700001)[0]!, shape: [2, 1] },
      { ...outputs(700001)[0]!, name: "OUTPUT1" },
    ];
    for (const one of wrong) assertBroken(brokenBy([record({ body: JSON.stringify({ outputs: [one] }) })]), /^I4/);
    const twice = [...outputs(700001), ...outputs(700001)];
    assertBroken(brokenBy([record({ body: JSON.stringify({ outputs: twice }) })]), /^I4/);
    assertBroken(brokenBy([record({ body: '{"outputs":[700001' })]), /^I4: .* wrong answer: \{"outputs":\[700001$/);
  });

  test("what a test itself calls wrong", () => {
    const holds = (content: unknown) => JSON.stringify(content).includes('"m"');
    assert.deepEqual(brokenBy([record({}, { expected: { kind: "holds", holds } })]), []);
    assertBroken(brokenBy([record({}, { expected: { kind: "holds", holds: () => false } })]), /^I4/);
  });

  test("a status that is neither", () => {
    assertBroken(brokenBy([record({ status: 204, body: "" })]), /^I4: .* 204/);
    assertBroken(brokenBy([record({ status: 302 })]), /^I4: .* 302/);
  });
});

describe("I7: one error shape, nothing of the inside", () => {
  test("no JSON, no such code, another status, another request, another type", () => {
    assertBroken(brokenBy([refusal("internal", { body: "Internal Server Error" })]), /^I7: .* not the one error shape/);
    const body = (code: string, id = "r1") => JSON.stringify({ error: "e", code, request_id: id });
    assertBroken(brokenBy([refusal("internal", { body: body("oops") })]), /^I7: .* code oops, which is none/);
    assertBroken(brokenBy([refusal("internal", { body: body("toString") })]), /^I7: .* code toString, which is none/);
    assertBroken(brokenBy([refusal("internal", { body: body("forbidden") })]), /^I7: .* whose status is 403/);
    assertBroken(brokenBy([refusal("internal", { body: body("internal", "r2") })]), /^I7: .* names the request r2/);
    const headers = { "content-type": "application/json; charset=utf-8" };
    assertBroken(brokenBy([refusal("internal", { headers })]), /^I7: .* of type application\/json; charset/);
  });

  test("a 429 or 503 without Retry-After in whole seconds", () => {
    for (const code of ["overloaded", "rate_limited"] as const) {
      for (const value of ["", "soon", "1.5", "-1"]) {
        assertBroken(brokenBy([refusal(code, { headers: { "retry-after": value } })]), /^I7: .* no Retry-After/);
      }
    }
  });

  test("a stack, a path, an address", () => {
    const shows = {
      "a stack": ["Error: x\n    at f (worker.js)", "at Object.run (x)", "in forward.ts:12:5"],
      "a path": ["open '/home/me/models'", "in node:internal/modules", "file:///x", "node_modules/undici"],
      "a source file": ["thrown by forward.ts", "cannot open libonnxruntime.so"],
      "an address": ["connect ECONNREFUSED", "127.0.0.1:8000 is down", "localhost:8000 is down"],
    };
    for (const [what, errors] of Object.entries(shows)) {
      for (const error of errors) {
        const broken = brokenBy([refusal("internal", { error })]);
        assert.ok(broken.length > 0 && broken.every((text) => text.startsWith("I7")), broken.join());
        assert.ok(
          broken.some((text) => text.includes(`shows ${what}`)),
          `${error}: ${broken.join()}`,
        );
      }
    }
  });
});

describe("I6: everything is accounted for", () => {
  test("in the log: no line, two lines, another status, another tenant", () => {
    assertBroken(brokenBy([record()], { edgeLog: [] }), /^I6: the log has 0 lines for request r1/);
    assertBroken(brokenBy([record()], { edgeLog: [line(), line()] }), /^I6: the log has 2 lines/);
    assertBroken(brokenBy([record()], { edgeLog: [line(503)] }), /^I6: the log says 503 .* who was told 200/);
    assertBroken(brokenBy([record()], { edgeLog: [line(200, "r1", "umbrella")] }), /^I6: .* was of umbrella/);
  });

  const figures = (more: Record<string, number> = {}) =>
    new Map(
      Object.entries({
        process_start_time_seconds: 1,
        warmgate_pool_requests_received_total: 20,
        'warmgate_pool_requests_total{outcome="ok"}': 10,
        'warmgate_pool_requests_total{outcome="rejected"}': 5,
        'warmgate_pool_requests_total{outcome="failed"}': 3,
        'warmgate_pool_requests_total{outcome="cancelled"}': 2,
        warmgate_pool_requests_in_flight: 0,
        warmgate_pool_running_batches: 0,
        'warmgate_pool_queued_rows{model="m",version="1"}': 0,
        'warmgate_pool_dead_work_total{model="m",version="1"}': 0,
        ...more,
      }),
    );
  const before = figures({
    'warmgate_pool_requests_total{outcome="ok"}': 9,
    warmgate_pool_requests_received_total: 19,
  });
  const inPool = (after: PoolFigures["after"], records = [record()], since = before) =>
    brokenBy(records, { pools: [{ node: "a", before: since, after }] });

  test("in a node's metrics: every request it received has one outcome", () => {
    assert.deepEqual(inPool(figures()), []);
    assertBroken(
      inPool(figures({ warmgate_pool_requests_received_total: 21 })),
      /^I6: node a has received 21 requests, and 10 ok \+ 5 rejected \+ 3 failed \+ 2 cancelled is 20$/,
    );
    assertBroken(
      inPool(new Map([...figures()].filter(([name]) => !name.includes("received")))),
      /^I6: .* does not say/,
    );
  });

  test("nothing is under way any more", () => {
    for (const gauge of [
      "warmgate_pool_requests_in_flight",
      "warmgate_pool_running_batches",
      'warmgate_pool_queued_rows{model="m",version="1"}',
    ]) {
      assertBroken(inPool(figures({ [gauge]: 1 })), /^I6: warmgate_pool_.* of node a is 1 when all is over$/);
    }
    assert.deepEqual(inPool(figures({ warmgate_pool_slots: 4 })), []);
  });

  test("no row was run for nobody since", () => {
    const dead = { 'warmgate_pool_dead_work_total{model="m",version="1"}': 2 };
    assertBroken(inPool(figures(dead)), /^I6: node a has run 2 rows that nobody waited for/);
    const already = new Map([...before, ...Object.entries(dead)]);
    assert.deepEqual(inPool(figures(dead), [record()], already), []);
    const restarted = figures({ ...dead, process_start_time_seconds: 2 });
    assertBroken(inPool(restarted, [record()], already), /^I6: node a has run 2 rows/);
  });

  test("no more answers than nodes have made, but for those of the cache", () => {
    const second = (status: string) => {
      const { outcome } = record();
      assert.ok(outcome.kind === "answered");
      const headers = { ...outcome.headers, "x-request-id": "r2", "cache-status": status };
      return [record(), record({ headers }, { id: "r2" })];
    };
    assertBroken(
      inPool(figures(), second("warmgate; fwd=miss; stored")),
      /^I6: 2 requests were answered by nodes that say they have answered 1$/,
    );
    assert.deepEqual(inPool(figures(), second("warmgate; hit; ttl=9; detail=isolate")), []);
    assert.deepEqual(inPool(figures(), second("warmgate; fwd=miss; collapsed")), []);
  });

  test("a node that was restarted or has ended has lost its count, and is not held to it", () => {
    const two = [record(), record({ headers: { "x-request-id": "r2" } }, { id: "r2" })];
    assert.deepEqual(inPool(figures({ process_start_time_seconds: 2 }), two), []);
    assert.deepEqual(inPool(undefined, two), []);
  });
});
