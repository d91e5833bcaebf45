/** A job in a reply: as its caller may see it, with its answer if there is one, and when to ask again. */
import { JOBS_PATH } from "../../shared/protocol/job.ts";
import { reply } from "../gate/reply.ts";
import type { JobView } from "../objects/job-store.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import { describeJob, retryAfterSeconds } from "./job-description.ts";

/**
 * @param result the answer as JSON
 * @throws WarmgateError `job_expired`
 */
export function jobReply(
  job: JobView,
  record: RequestRecord,
  { status = 200, result }: { readonly status?: number; readonly result?: string | undefined } = {},
): Response {
  const about = JSON.stringify(describeJob(job));
  // As it was answered: read and written again, large whole numbers would not be the same.
  const body = result === undefined ? `{"job":${about}}` : `{"job":${about},"result":${result}}`;
  const retryAfter = retryAfterSeconds(job, Date.now());
  const headers = {
    ...(status === 202 ? { location: `${JOBS_PATH}/${job.id}` } : {}),
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
  };
  return reply({ body: new TextEncoder().encode(body), status, headers }, record);
}
