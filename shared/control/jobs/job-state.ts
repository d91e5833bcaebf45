/** Where a job is, as its owner stores it: in each state what exists in that state alone. */
import { z } from "zod";
import { ERROR_KINDS, type ErrorCode } from "../../protocol/errors.ts";

/** Milliseconds since 1970. */
const moment = z.int();
const errorCode = z.custom<ErrorCode>((value) => typeof value === "string" && Object.hasOwn(ERROR_KINDS, value));

/** A refusal as the job's caller may see it. */
export const failureSchema = z.strictObject({ code: errorCode, message: z.string() });
export type Failure = z.infer<typeof failureSchema>;

const unfinished = {
  /** When it is given up, however often it was tried. */
  giveUpAt: moment,
  /** How often it was taken up. */
  tries: z.int().min(0),
  /** Of these, after how many nobody can say that the model has not run. */
  attempts: z.int().min(0),
  /** What stood in its way last. */
  failure: failureSchema,
};
const finished = { attempts: z.int().min(0), finishedAt: moment, expiresAt: moment };

export const jobStateSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("queued"), dueAt: moment, ...unfinished }),
  z.strictObject({ kind: z.literal("running"), ...unfinished }),
  z.strictObject({ kind: z.literal("succeeded"), ...finished }),
  z.strictObject({ kind: z.literal("failed"), failure: failureSchema, ...finished }),
  z.strictObject({ kind: z.literal("cancelled"), ...finished }),
  /** All that is left is that there was one. */
  z.strictObject({ kind: z.literal("expired"), forgetAt: moment }),
]);
export type JobState = z.infer<typeof jobStateSchema>;
export type JobStatus = JobState["kind"];
export type Queued = Extract<JobState, { readonly kind: "queued" }>;
export type Running = Extract<JobState, { readonly kind: "running" }>;
export type Finished = Extract<JobState, { readonly kind: "succeeded" | "failed" | "cancelled" }>;
