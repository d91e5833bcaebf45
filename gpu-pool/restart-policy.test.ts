import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RestartPolicy } from "./restart-policy.ts";

const MINUTE_MS = 60_000;

describe("restarting", () => {
  test("the first death is made good at once, the next ones after waits that double", () => {
    const policy = new RestartPolicy();
    const waits = [0, 1, 2, 3].map((now) => policy.died(now));
    assert.deepEqual(
      waits.map((restart) => restart.kind === "wait" && restart.waitMs),
      [0, 200, 400, 800],
    );
  });

  test("five deaths within a minute are the end, whether or not it was ready in between", () => {
    const policy = new RestartPolicy();
    for (let death = 0; death < 4; death++) {
      assert.equal(policy.died(death * 14_000).kind, "wait");
      policy.ready();
    }
    assert.deepEqual(policy.died(MINUTE_MS - 1), {
      kind: "give_up",
      reason: "the serving process died 5 times within a minute",
    });
  });

  test("a death now and then is made good for ever, each as if it were the first", () => {
    const policy = new RestartPolicy();
    for (let death = 1; death < 100; death++) {
      assert.deepEqual(policy.died(death * (MINUTE_MS + 1)), { kind: "wait", waitMs: 0 });
      policy.ready();
    }
  });

  test("deaths that are minutes apart are the end too if it never was ready", () => {
    const policy = new RestartPolicy();
    for (let death = 1; death <= 5; death++) assert.equal(policy.died(death * 10 * MINUTE_MS).kind, "wait");
    assert.deepEqual(policy.died(60 * MINUTE_MS), {
      kind: "give_up",
      reason: "the serving process died 6 times without having been ready",
    });
  });
});
