/** A job as its caller may see it, and when it is worth to look again. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { JOBS_PATH, type JobDescription } from "../../shared/protocol/job.ts";
import type { JobView } from "../objects/job-store.ts";

const LONGEST_RETRY_SECONDS = 60;

/** @throws WarmgateError `job_expired` */
export function describeJob({ id, model, createdAt, state }: JobView): JobDescription {
  if (state.kind === "expired") throw new WarmgateError("job_expired", "the job's result is not kept any longer");
  const self = `${JOBS_PATH}/${id}`;
  const isDone = state.kind !== "queued" && state.kind !== "running";
  return {
    ...{ id, model, status: state.kind, attempts: state.attempts, created_at: iso(createdAt) },
    ...(isDone ? { finished_at: iso(state.finishedAt) } : {}),
    expires_at: iso(isDone ? state.expiresAt : state.giveUpAt),
    ...("failure" in state ? { error: state.failure } : {}),
    links: { self, result: `${self}/result` },
  };
}

/** Whole seconds; undefined for a job of which nothing more comes. */
export function retryAfterSeconds({ state }: Pick<JobView, "state">, now: number): number | undefined {
  if (state.kind === "running") return 1;
  if (state.kind !== "queued") return undefined;
  return Math.max(1, Math.min(LONGEST_RETRY_SECONDS, Math.ceil((state.dueAt - now) / 1_000)));
}

function iso(moment: number): string {
  return new Date(moment).toISOString();
}
