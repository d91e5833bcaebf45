import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ERROR_KINDS, type ErrorCode, WarmgateError } from "../../protocol/errors.ts";
import {
  accepted,
  aged,
  begun,
  cancelled,
  ended,
  interrupted,
  isWorthAJob,
  KEPT_MS,
  LIFE_MS,
  MOST_ATTEMPTS,
  REMEMBERED_MS,
  tryFailure,
  wakeAt,
} from "./job-life.ts";
import { type JobState, jobStateSchema, type Queued } from "./job-state.ts";

const START = 1_800_000_000_000;
const failure = (code: ErrorCode, reachedLiveNode = true, retryAfterSeconds = 0) =>
  tryFailure(new WarmgateError(code, `because of ${code}`, { retryAfterSeconds }), reachedLiveNode);
const NOBODY = failure("pool_unavailable", false);
const queued = () => accepted(NOBODY, START, 0.5);

/** Takes up a job whenever it wakes, each time with this outcome, until it is no longer queued. */
function livedWith(outcome: ReturnType<typeof failure>, random: () => number) {
  let state: JobState = accepted(outcome, START, random());
  let tries = 0;
  let now = START;
  while (state.kind === "queued") {
    now = wakeAt(state) ?? assert.fail("nobody would wake it");
    const before = aged(state, now) ?? assert.fail("it is forgotten");
    if (before.kind !== "queued") return { state: before, tries, now };
    tries++;
    state = ended(begun(before), outcome, now, random());
  }
  return { state, tries, now };
}

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyCode = fc.constantFrom(...(Object.keys(ERROR_KINDS) as ErrorCode[]));

describe("a job", () => {
  test("succeeds with its first answer, and says how many attempts it took", () => {
    const state = ended(begun(queued()), null, START + 5, 0);
    assert.deepEqual(state, { kind: "succeeded", attempts: 1, finishedAt: START + 5, expiresAt: START + 5 + KEPT_MS });
  });

  test("is tried again after what may be cured, later and later, and fails with the last of it", () => {
    const { state, tries } = livedWith(failure("bad_pool_response"), () => 0.5);
    assert.ok(state.kind === "failed");
    assert.deepEqual([state.failure.code, state.attempts, tries], ["bad_pool_response", MOST_ATTEMPTS, MOST_ATTEMPTS]);
  });

  test("waits for all of its life where no node could be asked, or none has taken it", () => {
    for (const outcome of [NOBODY, failure("overloaded"), failure("model_not_ready")]) {
      const { state, tries, now } = livedWith(outcome, () => 0.5);
      assert.ok(state.kind === "failed" && state.attempts === 0);
      assert.ok(tries > 60 && tries < 120, String(tries));
      assert.ok(now - START > LIFE_MS * 0.95 && now - START <= LIFE_MS, String(now - START));
    }
  });

  test("fails at once with what the request or the model is to blame for", () => {
    for (const code of ["model_failed", "non_finite_output", "input_mismatch", "contract_not_found"] as const) {
      const state = ended(begun(queued()), failure(code), START, 0);
      assert.ok(state.kind === "failed" && state.attempts === 1);
      assert.equal(state.failure.code, code);
    }
  });

  test("is begun for no refusal below 500, and for none that would end it", () => {
    for (const code of Object.keys(ERROR_KINDS) as ErrorCode[]) {
      if (!isWorthAJob(code)) continue;
      assert.ok(ERROR_KINDS[code].status >= 500, code);
      assert.equal(ended(begun(queued()), failure(code), START, 0).kind, "queued", code);
    }
  });

  test("waits where a node that has just started does not know its model yet", () => {
    for (const code of ["model_not_found", "version_not_found"] as const) {
      const { state } = livedWith(failure(code), () => 0.5);
      assert.ok(state.kind === "failed" && state.attempts === 0 && state.failure.code === code);
    }
  });

  test("that was cut off is queued again and has cost an attempt, but not for ever", () => {
    const again = interrupted(begun(queued()), START, 0);
    assert.ok(again.kind === "queued" && again.attempts === 1 && again.failure.code === "internal");
    const last: Queued = { ...again, attempts: MOST_ATTEMPTS - 1 };
    assert.equal(interrupted(begun(last), START, 0).kind, "failed");
  });

  test("ends, in time and in a bounded number of attempts, whatever comes of it", () => {
    fc.assert(
      fc.property(anyCode, fc.boolean(), fc.nat(100_000), chance, (code, live, retryAfter, random) => {
        const { state, tries, now } = livedWith(failure(code, live, retryAfter), () => random);
        assert.ok(state.kind === "failed" && state.attempts <= MOST_ATTEMPTS);
        assert.ok(tries < 200 && now <= START + LIFE_MS);
      }),
    );
  });

  test("is never tried before the moment that a node has asked for", () => {
    assert.ok(accepted(failure("overloaded", true, 20), START, 0).dueAt >= START + 20_000);
    const again = ended(begun(queued()), failure("overloaded", true, 20), START, 0);
    assert.ok(again.kind === "queued" && again.dueAt >= START + 20_000);
  });

  test("that was cancelled stays so until it expires, as one that is done", () => {
    const state = cancelled(queued(), START);
    assert.equal(state.kind, "cancelled");
    assert.equal(wakeAt(state), START + KEPT_MS);
    assert.equal(aged(state, START + KEPT_MS - 1), state);
    assert.deepEqual(aged(state, START + KEPT_MS), { kind: "expired", forgetAt: START + KEPT_MS + REMEMBERED_MS });
    assert.equal(aged(state, START + KEPT_MS + REMEMBERED_MS), undefined);
  });

  test("is changed by time at the moment it is to be woken at, and not before", () => {
    fc.assert(
      fc.property(
        anyCode,
        fc.boolean(),
        fc.integer({ min: 0, max: 3 * KEPT_MS }),
        chance,
        (code, done, later, random) => {
          const begin = queued();
          const state = done ? ended(begun(begin), failure(code), START, random) : begin;
          const wakes = wakeAt(state) ?? assert.fail("nobody would wake it");
          if (START + later < wakes) assert.equal(aged(state, START + later), state);
          else if (state.kind !== "queued") assert.notEqual(aged(state, START + later), state);
        },
      ),
    );
  });

  test("in any state is read again as it was written", () => {
    const running = begun(queued());
    for (const state of [queued(), running, ended(running, null, START, 0), cancelled(queued(), START)]) {
      assert.deepEqual(jobStateSchema.parse(JSON.parse(JSON.stringify(state))), state);
    }
    assert.throws(() => jobStateSchema.parse({ ...queued(), failure: { code: "unheard_of", message: "" } }));
  });
});
