import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ModelGuards } from "./model-guards.ts";

const ask = (tenant: string) => ({ node: "a", model: "m", tenant, priority: "default" as const });

describe("the guards of models", () => {
  test("five failures close a node for one model, and not for its others", () => {
    const guards = new ModelGuards();
    for (let call = 0; call < 5; call++) {
      assert.ok(guards.begin("a", "m", call));
      guards.ended("a", "m", "failed", call, call);
    }
    assert.ok(guards.closedForMs("a", "m", 5) > 0);
    assert.ok(!guards.begin("a", "m", 5));
    assert.equal(guards.closedForMs("a", "other", 5), 0);
    assert.deepEqual(
      guards.breakers(5).map(({ node, model, state }) => [node, model, state]),
      [["a", "m", "open"]],
    );
  });

  test("after its time one probe is let through, and three that succeed close the breaker", () => {
    const guards = new ModelGuards();
    for (let call = 0; call < 5; call++) {
      guards.begin("a", "m", 0);
      guards.ended("a", "m", "failed", 0, 0);
    }
    let now = 2_000;
    assert.ok(guards.begin("a", "m", now));
    assert.ok(!guards.begin("a", "m", now), "a second one at the same time");
    for (let probe = 0; probe < 3; probe++) {
      if (probe > 0) assert.ok(guards.begin("a", "m", now));
      guards.ended("a", "m", "ok", now, now + 1);
      now += 10;
    }
    assert.equal(guards.breakerOf("a", "m"), "closed");
  });

  test("a tenant that is refused most of the time is throttled, and no other one with it", () => {
    const guards = new ModelGuards();
    for (let call = 0; call < 100; call++) {
      guards.rejects(ask("flood"), 0);
      guards.answered(ask("flood"), true, 0);
    }
    assert.ok(guards.rejects(ask("flood"), 1) > 0.5);
    assert.equal(guards.rejects(ask("light"), 1), 0);
  });

  test("a word is for the tenant that it was said to", () => {
    const guards = new ModelGuards();
    const word = { ownWaitMs: 5, admissionLevel: 512, at: 10 };
    guards.heard("a", "m", "acme", word);
    assert.equal(guards.word("a", "acme", 11), word);
    assert.equal(guards.word("a", "other", 11), undefined);
    assert.equal(guards.word("a", "acme", 10_010), undefined);
  });

  test("what is known of nodes that are gone is forgotten", () => {
    const guards = new ModelGuards();
    for (const node of ["a", "b"]) {
      for (let call = 0; call < 5; call++) {
        guards.begin(node, "m", 0);
        guards.ended(node, "m", "failed", 0, 0);
      }
    }
    guards.retain(new Set(["b"]));
    assert.deepEqual(
      guards.breakers(0).map(({ node }) => node),
      ["b"],
    );
  });

  test("of twenty requests that fail at once two are sent a second time", () => {
    const guards = new ModelGuards();
    let retries = 0;
    for (let call = 0; call < 20; call++) {
      guards.attempted();
      if (guards.retries()) retries++;
    }
    assert.ok(retries >= 2 && retries <= 4, String(retries));
  });
});
