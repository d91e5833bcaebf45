/** What a job is made of: all that its runs need to know of the request that it stands for, and of its caller. */
import { z } from "zod";
import { jobStateSchema } from "../../../shared/control/jobs/job-state.ts";
import { isModelName } from "../../../shared/protocol/model-name.ts";

/** Bodies larger than this become no job. */
export const LARGEST_INPUT = 8 * 1024 * 1024;

export const jobOrderSchema = z.strictObject({
  tenant: z.string().min(1),
  plan: z.string(),
  /** Of the credential, by which a route may keep versions. */
  kid: z.string(),
  /** As the caller named it. */
  model: z.string().refine(isModelName),
  contract: z.int(),
  /** The class of hardware that the caller asked for. */
  hardware: z.string().nullable(),
  /** Those of the caller's by which the route keeps versions. */
  headers: z.record(z.string(), z.string()),
  /** Rows that the tenant may send at once; 0: as many as the model takes. */
  maxRows: z.int().min(0),
  /** Milliseconds that a run may take. */
  budgetMs: z.int().min(1),
  requestId: z.string(),
  traceparent: z.string(),
});
export type JobOrder = z.infer<typeof jobOrderSchema>;

/** A message of the protocol with binary tensor data. */
export const messageSchema = z.strictObject({
  body: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  /** Byte length of its JSON part where binary data follows. */
  headerLength: z.int().min(0).nullable(),
});
export type Message = z.infer<typeof messageSchema>;

/** A job as its owner knows it. */
export const storedJobSchema = z.strictObject({
  /** Grows from job to job. */
  seq: z.int(),
  id: z.uuid(),
  createdAt: z.int(),
  order: jobOrderSchema,
  state: jobStateSchema,
});
export type Job = z.infer<typeof storedJobSchema>;
