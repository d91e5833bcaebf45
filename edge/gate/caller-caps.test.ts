import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { type Limits, UNLIMITED } from "../../shared/protocol/tenant-limits.ts";
import { cappedBudgetMs, inCallersClass } from "./caller-caps.ts";
import { toPool } from "./to-pool.ts";

const limited = (limits: Partial<Limits>, key: Partial<Limits> = {}) => ({
  limits: { ...UNLIMITED, ...limits },
  keyLimits: { ...UNLIMITED, ...key },
});

function asked(priority?: number) {
  const parameters = priority === undefined ? {} : { priority };
  const body = { parameters, inputs: [{ name: "x", shape: [1], datatype: "FP32", data: [1] }] };
  const request = decodeInferenceRequest(new TextEncoder().encode(JSON.stringify(body)), null);
  return { kind: "tensors" as const, request };
}

/** The priority that a node is told. */
function told(decoded: ReturnType<typeof inCallersClass>): unknown {
  const { body, headerLength } = toPool({ decoded, contract: undefined });
  return decodeInferenceRequest(body, String(headerLength)).parameters.priority;
}

describe("a caller's caps", () => {
  test("shorten a wish for time, and what is usual without a wish, by the lower of tenant's and key's", () => {
    assert.equal(cappedBudgetMs(limited({ maxTimeoutMs: 2_000 }, { maxTimeoutMs: 500 }), "9000", {}), 500);
    assert.equal(cappedBudgetMs(limited({ maxTimeoutMs: 2_000 }), undefined, {}), 2_000);
    assert.equal(cappedBudgetMs(limited({ maxTimeoutMs: 2_000 }), undefined, { timeout: 1_500_000 }), 1_500);
    assert.equal(cappedBudgetMs(limited({}), "9000", {}), 9_000);
  });

  test("lower a request's class on its way to the node, and never raise it", () => {
    assert.equal(told(inCallersClass(asked(1), limited({ highestPriority: "default" }))), 2);
    assert.equal(
      told(inCallersClass(asked(), limited({ highestPriority: "critical" }, { highestPriority: "batch" }))),
      4,
    );
    assert.equal(told(inCallersClass(asked(4), limited({ highestPriority: "default" }))), 4);
    assert.equal(told(inCallersClass(asked(), limited({}))), undefined);
  });

  test("give one object for one request, so that what is remembered of it is found again", () => {
    const once = asked(1);
    const first = inCallersClass(once, limited({ highestPriority: "sheddable" }));
    const second = inCallersClass(once, limited({ highestPriority: "sheddable" }));
    assert.ok(first.kind === "tensors" && second.kind === "tensors" && first.request === second.request);
  });
});
