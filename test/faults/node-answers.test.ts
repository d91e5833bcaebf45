/** What callers get for whatever a node may answer: no numbers, other outputs than it owes, refusals, failures, nothing at all. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import type { ClientRecord } from "./pieces/client-record.ts";
import { type FakeAnswer, notNumbers } from "./pieces/fake-answer.ts";
import { type FakePair, FaultStand } from "./pieces/fault-stand.ts";
import { toldIn } from "./pieces/told.ts";

const SUBJECTS = ["nan", "outputs", "refusals", "errors", "hang", "noise", "saturation", "repeated"] as const;
type Subject = (typeof SUBJECTS)[number];

const changed = (change: (output: Tensor) => Tensor): FakeAnswer => ({
  kind: "outputs",
  outputs: (right) => right.map(change),
});

/** Answers that are well formed and are none to what was asked. */
const FOREIGN: Readonly<Record<string, FakeAnswer>> = {
  "an output of another name": changed((output) => ({ ...output, name: "OUTPUT1" })),
  "no outputs": { kind: "outputs", outputs: () => [] },
  "an output of another datatype": changed((output) => ({ ...output, datatype: "INT32" })),
  "an output of another rank": changed((output) => ({ ...output, shape: [2] })),
  "more rows than were sent": changed((output) => ({ ...output, shape: [2, 1] })),
};

describe("a node's answer", () => {
  let stand: FaultStand;
  let pairOf: (subject: Subject) => FakePair;
  before(async () => {
    stand = await FaultStand.start();
    pairOf = await stand.fakePairs(SUBJECTS);
  });
  after(() => stand.stop());
  /** One for each test that leaves a mark: what the edge has learned of a node is nothing to the next test. */
  let pair: FakePair;
  const take = (subject: Subject) => {
    pair = pairOf(subject);
  };
  beforeEach(() => take("repeated"));

  const answerWith = (answer: FakeAnswer | undefined) => {
    for (const { node } of [pair.a, pair.b]) node.script = () => answer;
  };
  /** One request under that answer, and how often nodes were asked for it. */
  const under = async (answer: FakeAnswer, given: Parameters<FaultStand["ask"]>[0] = {}) => {
    answerWith(answer);
    const before = pair.asks().all;
    const record = await stand.ask({ headers: pair.headers, ...given });
    return { record, told: toldIn(record), asked: pair.asks().all - before };
  };
  const header = ({ outcome }: ClientRecord, name: string) =>
    outcome.kind === "answered" ? outcome.headers[name] : undefined;

  test("that is no finite number is an error, never null, and is not kept", async () => {
    take("nan");
    const { told, asked } = await under({ kind: "outputs", outputs: notNumbers }, { element: 77 });
    assert.deepEqual([told, asked], ["500 non_finite_output", 1]);
    const again = await under({ kind: "right" }, { element: 77 });
    assert.deepEqual([again.told, again.asked], ["200", 1]);
    assert.deepEqual(await stand.broken(), []);
  });

  test("that is well formed and not what the model owes is a 502", async (t) => {
    take("outputs");
    const told: Record<string, string> = {};
    for (const [what, answer] of Object.entries(FOREIGN)) told[what] = (await under(answer)).told;
    t.diagnostic(JSON.stringify(told));
    const broken = await stand.broken();
    for (const what of Object.keys(FOREIGN)) assert.equal(told[what], "502 bad_pool_response", what);
    assert.deepEqual(broken, []);
  });

  test("that refuses for load is passed on with its Retry-After, and nobody is asked a second time", async () => {
    take("saturation");
    for (const code of ["overloaded", "deadline_unreachable"] as const) {
      const { record, told, asked } = await under({ kind: "refusal", code, retryAfterSeconds: 7 });
      assert.deepEqual([told.split(" ")[1], asked], [code, 1]);
      assert.equal(header(record, "retry-after"), "7");
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("that refuses for now, without saying for how long, is told with a Retry-After", async () => {
    take("refusals");
    const { record } = await under({ kind: "refusal", code: "overloaded" });
    const broken = await stand.broken();
    assert.match(header(record, "retry-after") ?? "", /^\d+$/);
    assert.deepEqual(broken, []);
  });

  test("that it is leaving, or has the model no more, is asked for at the other node, once", async () => {
    for (const code of ["draining", "model_not_ready"] as const) {
      pair.a.node.script = ({ attempt }) =>
        attempt === 1 ? { kind: "refusal", code, retryAfterSeconds: 1 } : undefined;
      pair.b.node.script = pair.a.node.script;
      const before = pair.asks();
      assert.equal(toldIn(await stand.ask({ headers: pair.headers })), "200");
      assert.deepEqual(pair.asks(), { all: before.all + 2, retries: before.retries + 1 });
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("that the model failed is passed on, and is not tried again", async () => {
    take("errors");
    for (const code of ["model_failed", "internal"] as const) {
      const { told, asked } = await under({ kind: "refusal", code });
      assert.deepEqual([told, asked], [`500 ${code}`, 1]);
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("that does not come is a 504 at the deadline, to within 50 ms", async () => {
    take("hang");
    for (const deadlineMs of [200, 700]) {
      const { told, record } = await under({ kind: "hang" }, { deadlineMs });
      assert.equal(told, "504 deadline_exceeded");
      assert.ok(record.outcome.kind === "answered" && record.outcome.answeredAt - record.sentAt > deadlineMs / 2);
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("that is of no form is a 502, shows nothing of itself, and is not tried again", async () => {
    take("noise");
    const stack = "Error: at /opt/pool/serve.ts:12:5";
    for (const answer of [
      { kind: "body", status: 500, body: `<html>${stack}</html>`, headers: { "content-type": "text/html" } },
      { kind: "body", status: 200, body: stack },
      { kind: "body", status: 200, body: '{"outputs":null}' },
      { kind: "body", status: 302, body: "", headers: { location: "http://127.0.0.1:9/" } },
      { kind: "body", status: 503, body: JSON.stringify({ error: stack, code: "no_such_code" }) },
    ] as const) {
      const { told, asked } = await under(answer);
      assert.deepEqual([told, asked], ["502 bad_pool_response", 1], JSON.stringify(answer));
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("that accuses the edge's signature is no fault of the caller's", async () => {
    const { told } = await under({ kind: "refusal", code: "invalid_signature" });
    assert.equal(told, "502 bad_pool_response");
    assert.doesNotMatch(stand.log.join("\n"), /signature="?[A-Za-z0-9_-]{20}/);
    assert.deepEqual(await stand.broken(), []);
  });
});
