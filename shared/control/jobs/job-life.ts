/**
 * A job's life: what comes after what, and when. Pure; the clock and chance are handed in.
 *
 *     queued -> running -> succeeded | failed        a failure that may be cured: queued again, with growing pauses
 *     queued -> cancelled | failed                   failed where its time is over before it could be done
 *     succeeded | failed | cancelled -> expired -> forgotten
 *
 * Promises: a job is tried within `LIFE_MS` or fails with what stood in its way last; after `MOST_ATTEMPTS` runs of which nobody knows how
 * they ended it fails, so that one which takes nodes with it takes few; what the model or the request itself is to blame for is never
 * tried again. Worst case: a try a minute for an hour, none of which reaches a node.
 */
import { type ErrorCode, WarmgateError } from "../../protocol/errors.ts";
import { fallsBack } from "../fallback/when.ts";
import { backOffMs } from "./back-off.ts";
import type { Failure, Finished, JobState, Queued, Running } from "./job-state.ts";

/** From its acceptance, until it is given up. */
export const LIFE_MS = 3_600_000;
/** For how long what came of it can be read. */
export const KEPT_MS = 86_400_000;
/** For how long it is known after that that there was one. */
export const REMEMBERED_MS = 86_400_000;
export const MOST_ATTEMPTS = 8;

/** Why a try has not brought an answer. */
export interface TryFailure extends Failure {
  readonly retryAfterSeconds?: number | undefined;
  /** Whether a node that was alive had it, and did not say that it has left it alone. */
  readonly mayHaveRun: boolean;
}

/** What the same request comes to whenever it is run. */
const ENDS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["model_failed", "non_finite_output"]);

/** What a node says that has just started and not yet loaded the model. A job's model was there when it was accepted. */
const NOT_THERE_YET = ["model_not_found", "version_not_found"] as const;

/** With these a node says that it has not run the request. */
const NOT_RUN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["overloaded", "deadline_unreachable", "draining", "model_not_ready", "hardware_unavailable"] as const),
  ...NOT_THERE_YET,
]);

/** Whether a request that was refused with this is worth a job: another run may do better. */
export function isWorthAJob(code: ErrorCode): boolean {
  return fallsBack(code) !== "none" && !ENDS.has(code);
}

/** Whether a job that came to this is tried again. */
export function isCurable(code: ErrorCode): boolean {
  return isWorthAJob(code) || NOT_THERE_YET.some((one) => one === code);
}

/** @param reachedLiveNode whether a node was asked that was last known to be alive */
export function tryFailure({ code, message, retryAfterSeconds }: WarmgateError, reachedLiveNode: boolean): TryFailure {
  return { code, message, retryAfterSeconds, mayHaveRun: reachedLiveNode && !NOT_RUN.has(code) };
}

/** @param failure of the request that the job stands for */
export function accepted(failure: TryFailure, now: number, random: number): Queued {
  const dueAt = now + backOffMs(0, retryAfterMs(failure), random);
  return { kind: "queued", dueAt, giveUpAt: now + LIFE_MS, tries: 0, attempts: 0, failure: shown(failure) };
}

/** It counts as an attempt from here on, so that one which its owner did not survive has counted. */
export function begun({ giveUpAt, tries, attempts, failure }: Queued): Running {
  return { kind: "running", giveUpAt, tries: tries + 1, attempts: attempts + 1, failure };
}

/** @param outcome null: there is an answer */
export function ended(running: Running, outcome: TryFailure | null, now: number, random: number): Queued | Finished {
  const { giveUpAt, tries } = running;
  if (outcome === null) return { kind: "succeeded", ...kept(running.attempts, now) };
  const attempts = outcome.mayHaveRun ? running.attempts : running.attempts - 1;
  const failure = shown(outcome);
  const dueAt = now + backOffMs(tries, retryAfterMs(outcome), random);
  if (!isCurable(failure.code) || attempts >= MOST_ATTEMPTS || dueAt >= giveUpAt) {
    return { kind: "failed", failure, ...kept(attempts, now) };
  }
  return { kind: "queued", dueAt, giveUpAt, tries, attempts, failure };
}

/** What ran when its owner ended: nobody knows what came of it. */
export function interrupted(running: Running, now: number, random: number): Queued | Finished {
  const cause = new WarmgateError("internal", "the job's run was cut off");
  return ended(running, tryFailure(cause, true), now, random);
}

export function cancelled({ attempts }: Queued, now: number): Finished {
  return { kind: "cancelled", ...kept(attempts, now) };
}

/** What time alone makes of it. @returns undefined for one that is forgotten */
export function aged(state: JobState, now: number): JobState | undefined {
  switch (state.kind) {
    case "running":
      return state;
    case "queued":
      return now < state.giveUpAt ? state : { kind: "failed", failure: state.failure, ...kept(state.attempts, now) };
    case "expired":
      return now < state.forgetAt ? state : undefined;
    default:
      return now < state.expiresAt ? state : aged({ kind: "expired", forgetAt: state.expiresAt + REMEMBERED_MS }, now);
  }
}

/** When there is something to be done about it, in milliseconds since 1970; null: not before its run has ended. */
export function wakeAt(state: JobState): number | null {
  switch (state.kind) {
    case "running":
      return null;
    case "queued":
      return Math.min(state.dueAt, state.giveUpAt);
    case "expired":
      return state.forgetAt;
    default:
      return state.expiresAt;
  }
}

function kept(attempts: number, now: number) {
  return { attempts, finishedAt: now, expiresAt: now + KEPT_MS };
}

function shown({ code, message }: Failure): Failure {
  return { code, message };
}

function retryAfterMs({ retryAfterSeconds = 0 }: TryFailure): number {
  return retryAfterSeconds * 1_000;
}
