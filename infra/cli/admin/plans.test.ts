import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UNLIMITED } from "../../../shared/protocol/tenant-limits.ts";
import { costs, plans } from "./admin.ts";
import { answerJson, sent, typed, typedTo } from "./scripted-api.ts";

describe("plans and costs", () => {
  const limits = { ...UNLIMITED, rate: { perSecond: 10, burst: 10 } };

  test("plans set changes what is given and keeps the rest", async (context) => {
    const { asked } = await typedTo(context, plans, "set free --burst 30 --quota 1000/day", ({ method }, response) =>
      answerJson(response, method === "GET" ? { items: [{ id: "free", limits }] } : { id: "free", limits }),
    );
    assert.deepEqual(sent(asked)[1], {
      method: "PUT",
      path: "plans/free",
      body: { limits: { ...UNLIMITED, rate: { perSecond: 10, burst: 30 }, quotaPerDay: 1000 } },
    });
  });

  test("plans set makes a new plan unlimited but for what is given", async (context) => {
    const { asked } = await typedTo(context, plans, "set gold --concurrency 64", ({ method }, response) =>
      answerJson(response, method === "GET" ? { items: [{ id: "free", limits }] } : { id: "gold", limits }),
    );
    assert.deepEqual(sent(asked)[1]?.body, { limits: { ...UNLIMITED, concurrency: 64 } });
  });

  test("plans show of one that there is not is refused", async (context) => {
    const { code, noted } = await typed(context, plans, "show gold", { items: [{ id: "free", limits }] });
    assert.equal(code, 1);
    assert.match(noted, /there is no plan gold \(not_found\)/);
  });

  test("costs set and rm send what is meant", async (context) => {
    const set = await typed(context, costs, "set digits 20", { model: "digits", cost: 20 });
    assert.deepEqual(sent(set.asked), [{ method: "PUT", path: "costs/digits", body: { cost: 20 } }]);
    const rm = await typed(context, costs, "rm digits", { model: "digits", cost: 20 });
    assert.deepEqual(sent(rm.asked), [{ method: "DELETE", path: "costs/digits", body: undefined }]);
    assert.match(rm.printed, /^units +1$/m);
  });
});
