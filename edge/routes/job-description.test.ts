import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { accepted, begun, cancelled, ended, KEPT_MS, LIFE_MS, tryFailure } from "../../shared/control/jobs/job-life.ts";
import type { JobState } from "../../shared/control/jobs/job-state.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { jobSchema } from "../../shared/protocol/job.ts";
import { describeJob, retryAfterSeconds } from "./job-description.ts";

const START = Date.UTC(2027, 0, 2);
const ID = "11111111-2222-4333-8444-555555555555";
const failure = (code: "overloaded" | "model_failed") => tryFailure(new WarmgateError(code, `it is ${code}`), true);
const QUEUED = accepted(failure("overloaded"), START, 0);
const described = (state: JobState) => describeJob({ seq: 7, id: ID, model: "digits", createdAt: START, state });
const at = (moment: number) => new Date(moment).toISOString();

describe("a job, as its caller sees it,", () => {
  test("that waits says what stood in its way, and until when it is tried", () => {
    assert.deepEqual(described(QUEUED), {
      ...{ id: ID, model: "digits", status: "queued", attempts: 0, created_at: at(START) },
      expires_at: at(START + LIFE_MS),
      error: { code: "overloaded", message: "it is overloaded" },
      links: { self: `/v1/jobs/${ID}`, result: `/v1/jobs/${ID}/result` },
    });
  });

  test("that is done says when, until when that can be read, and why it failed", () => {
    const done = described(ended(begun(QUEUED), failure("model_failed"), START + 5, 0));
    assert.deepEqual([done.finished_at, done.expires_at], [at(START + 5), at(START + 5 + KEPT_MS)]);
    assert.deepEqual([done.status, done.attempts, done.error?.code], ["failed", 1, "model_failed"]);
  });

  test("has the documented form in every state but one, in which it is gone", () => {
    const running = begun(QUEUED);
    for (const state of [QUEUED, running, ended(running, null, START, 0), cancelled(QUEUED, START)]) {
      const seen = described(state);
      assert.deepEqual(jobSchema.parse(JSON.parse(JSON.stringify(seen))), seen);
    }
    assert.throws(() => described({ kind: "expired", forgetAt: START }), { code: "job_expired", status: 410 });
  });

  test("is worth to be asked for again when it is tried, at the latest in a minute, and never once it is done", () => {
    const after = (state: JobState, now: number) => retryAfterSeconds({ state }, now);
    assert.deepEqual([after(QUEUED, START), after(QUEUED, START + LIFE_MS), after(begun(QUEUED), START)], [1, 1, 1]);
    assert.equal(after({ ...QUEUED, dueAt: START + 3_600_000 }, START), 60);
    assert.equal(after(cancelled(QUEUED, START), START), undefined);
  });
});
