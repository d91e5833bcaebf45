/** A job as its callers see it: a prediction that is made later. */
import { z } from "zod";
import { ERROR_KINDS } from "./errors.ts";

export const JOBS_PATH = "/v1/jobs";

/** `expired` jobs are seen by nobody: asking for one is refused with that word. */
export const JOB_STATUSES = ["queued", "running", "succeeded", "failed", "cancelled"] as const;

const moment = z.iso.datetime();

export const jobSchema = z.strictObject({
  id: z.uuid(),
  /** As the caller named it. */
  model: z.string(),
  status: z.enum(JOB_STATUSES),
  /** Runs so far, but for those that a node has declined. */
  attempts: z.int().min(0),
  created_at: moment,
  /** Of one that is done. */
  finished_at: moment.optional(),
  /** Of one that is not done: when it fails if it could not be run by then. Of one that is: until when this can be read. */
  expires_at: moment,
  /** Why it failed; of one that waits what stood in its way last. */
  error: z.strictObject({ code: z.enum(Object.keys(ERROR_KINDS)), message: z.string() }).optional(),
  links: z.strictObject({ self: z.string(), result: z.string() }),
});
export type JobDescription = z.infer<typeof jobSchema>;
