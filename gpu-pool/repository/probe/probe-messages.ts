/** What the serving process and the process that tries artefacts say to each other over Node's IPC channel. */
import { z } from "zod";
import { DATATYPES } from "../../../shared/protocol/datatype.ts";
import type { Tensor } from "../../../shared/protocol/tensor.ts";
import type { WorkerSettings } from "../../runtime/worker-protocol.ts";

/** From the serving process: plain types, no checks. */
export interface ProbeRequest {
  readonly id: number;
  readonly settings: WorkerSettings;
  /** Inputs of a run that the model's owner declares; without them they are derived from the signature. */
  readonly sample: readonly Tensor[] | undefined;
  /** Memory that the process may grow by, in bytes. */
  readonly memoryLimitBytes: number;
}

const milliseconds = z.number().min(0);

const tensorSpecsSchema = z
  .array(z.object({ name: z.string(), datatype: z.enum(DATATYPES), shape: z.array(z.int()).readonly() }))
  .readonly();

export const probeReportSchema = z.object({
  signature: z.object({ inputs: tensorSpecsSchema, outputs: tensorSpecsSchema }),
  irVersion: z.number().optional(),
  /** Domain -> version; the empty domain is ONNX's own. */
  opsets: z.record(z.string(), z.number()),
  /** The most that the process grew by while the model was loaded and run; memory that it had over from others is not in it. */
  memoryBytes: z.number().min(0),
  loadMs: milliseconds,
  /** Undefined when no run succeeded: no input could be derived, or the model refused it. */
  runMs: milliseconds.optional(),
});
export type ProbeReport = z.infer<typeof probeReportSchema>;

/** What the thread with ONNX Runtime finds; the process that it is in adds the memory. */
export type ThreadReport = Omit<ProbeReport, "memoryBytes">;

/** From the process that a stranger's file has been loaded into: checked. */
export const probeReplySchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("loaded"), id: z.int() }),
  z.object({ kind: z.literal("passed"), id: z.int(), report: probeReportSchema }),
  z.object({ kind: z.literal("failed"), id: z.int(), reason: z.string() }),
]);
export type ProbeReply = z.infer<typeof probeReplySchema>;

export type ThreadReply =
  /** Said once, before everything else: ONNX Runtime is there, with the memory that it takes by itself. */
  | { readonly kind: "ready" }
  | { readonly kind: "loaded"; readonly id: number }
  | { readonly kind: "passed"; readonly id: number; readonly report: ThreadReport }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };
