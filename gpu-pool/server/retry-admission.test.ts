import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ATTEMPT } from "../../shared/protocol/headers.ts";
import { RetryAdmission } from "./retry-admission.ts";

const first = { headers: {} };
const again = { headers: { [ATTEMPT]: "2" } };

describe("the pool's budget of retries", () => {
  test("of all that it takes in, however edges mix them, retries are a tenth and two", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (mix) => {
        const admission = new RetryAdmission();
        const taken = { first: 0, again: 0 };
        for (const isRetry of mix) {
          try {
            admission.admit(isRetry ? again : first);
            taken[isRetry ? "again" : "first"]++;
          } catch (error) {
            assert.ok(isRetry, "a first attempt is never refused");
            assert.equal((error as { code: string }).code, "overloaded");
          }
          assert.ok(taken.again <= taken.first / 10 + 2);
        }
      }),
    );
  });
});
