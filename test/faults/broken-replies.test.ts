/** What callers get where a node's reply is cut, has a wrong length or other bytes than it had (faults.md A2, D10). */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { FakeAnswer } from "./pieces/fake-answer.ts";
import { type FakePair, FaultStand } from "./pieces/fault-stand.ts";
import { tally, toldIn } from "./pieces/told.ts";

const CLASSES = ["cut", "severed", "longer", "shorter", "corrupt"] as const;
type Class = (typeof CLASSES)[number];

describe("a reply that is", () => {
  let stand: FaultStand;
  let pairOf: (name: Class) => FakePair;
  before(async () => {
    stand = await FaultStand.start();
    pairOf = await stand.fakePairs(CLASSES);
  });
  after(() => stand.stop());

  const answerWith = ({ a, b }: FakePair, answer: FakeAnswer | undefined) => {
    for (const { node } of [a, b]) node.script = () => answer;
  };

  test("cut in its body is a 502, is not asked for again, and is not kept for the next who asks the same", async () => {
    const pair = pairOf("cut");
    const { headers, asks } = pair;
    for (const [element, afterBytes] of [0, 10].entries()) {
      answerWith(pair, { kind: "cut", afterBytes });
      const before = asks().all;
      assert.equal(toldIn(await stand.ask({ headers, element })), "502 bad_pool_response");
      assert.equal(asks().all, before + 1);
      answerWith(pair, undefined);
      assert.equal(toldIn(await stand.ask({ headers, element })), "200");
      assert.equal(asks().all, before + 2);
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("severed by a reset in its body is a 502 too, and one that is severed in its head is asked of the other node", async () => {
    const { a, b, headers } = pairOf("severed");
    const severed = async (bytes: number) => {
      for (const { proxy } of [a, b]) await proxy.set({ kind: "reset", when: "afterBytes", bytes });
      const record = await stand.ask({ headers });
      for (const { proxy } of [a, b]) await proxy.clear();
      return toldIn(record);
    };
    const length = JSON.stringify(await stand.ask({ headers })).length;
    assert.ok(length > 0);
    assert.equal(await severed(20), "503 pool_unavailable");
    assert.equal(a.node.requests.concat(b.node.requests).filter(({ attempt }) => attempt === 2).length, 1);
    assert.deepEqual(await stand.broken(), []);
  });

  test("shorter than it says is waited for until the deadline, and no longer", async () => {
    const pair = pairOf("longer");
    const { headers } = pair;
    answerWith(pair, { kind: "misstated", byBytes: 5 });
    assert.equal(toldIn(await stand.ask({ headers, deadlineMs: 400 })), "504 deadline_exceeded");
    assert.deepEqual(await stand.broken(), []);
  });

  test("longer than it says is a 502, and what is left over is no part of anybody's answer", async (t) => {
    const pair = pairOf("shorter");
    const { headers } = pair;
    const records = [];
    for (let round = 0; round < 4; round++) {
      answerWith(pair, { kind: "misstated", byBytes: -5 });
      records.push(await stand.ask({ headers }));
      answerWith(pair, undefined);
      records.push(await stand.ask({ headers }));
    }
    t.diagnostic(JSON.stringify(records.map(toldIn)));
    for (const [index, record] of records.entries()) {
      assert.ok(index % 2 === 1 || toldIn(record) === "502 bad_pool_response", toldIn(record));
    }
    assert.deepEqual(await stand.broken(), []);
  });

  test("changed on its way is never told as an answer, and never blamed on the caller", async (t) => {
    const { a, b, headers } = pairOf("corrupt");
    for (const { proxy } of [a, b]) await proxy.set({ kind: "corrupt", probability: 0.3, direction: "response" });
    const records = [];
    for (let round = 0; round < 30; round++) {
      const tenants = ["acme", "globex", "acme", "globex", "acme", "globex", "acme", "globex"] as const;
      records.push(
        ...(await Promise.all(tenants.map((tenant) => stand.ask({ headers, tenant, deadlineMs: 300, width: 64 })))),
      );
    }
    t.diagnostic(JSON.stringify(tally(records)));
    assert.deepEqual(await stand.broken(), []);
  });
});
