/** The shapes of the API, for its documentation. What a request must look like is decided by the codec in shared/. */
import { z } from "@hono/zod-openapi";
import { DATATYPES } from "../../shared/protocol/datatype.ts";
import { ERROR_KINDS, type ErrorCode } from "../../shared/protocol/errors.ts";
import { jobSchema as describedJob } from "../../shared/protocol/job.ts";

const codes = Object.keys(ERROR_KINDS);

export const errorSchema = z
  .object({
    error: z
      .string()
      .openapi({ description: "What went wrong, for people.", example: "Request for unknown model: 'x' is not found" }),
    code: z
      .enum(codes)
      .openapi({ description: "What went wrong, for programs; see /docs/errors.", example: "model_not_found" }),
    request_id: z.string().openapi({ example: "2f1c6c1e-8f0e-4d2b-9f6a-5f3a1c0d9b7e" }),
  })
  .openapi("Error");

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const shape = z
  .array(z.int())
  .openapi({ description: "Every dimension, the batch dimension included.", example: [1, 64] });
const datatype = z.enum(DATATYPES).openapi({ example: "FP32" });
const data = z.array(z.unknown()).openapi({
  description: "Row-major, flat or nested to the shape. Left out when binary_data_size is given.",
  type: "array",
  items: {},
});

export const inferenceRequestSchema = z
  .object({
    id: z.string().optional().openapi({ description: "Comes back in the answer." }),
    parameters: parameters.optional().openapi({
      description: "binary_data_output: true asks for binary outputs; timeout: microseconds the answer may take.",
    }),
    inputs: z
      .array(
        z.object({
          name: z.string().openapi({ example: "pixels" }),
          shape,
          datatype,
          parameters: parameters
            .optional()
            .openapi({ description: "binary_data_size: bytes of this input behind the JSON." }),
          data: data.optional(),
        }),
      )
      .min(1),
    outputs: z
      .array(z.object({ name: z.string(), parameters: parameters.optional() }))
      .optional()
      .openapi({ description: "Left out: all outputs. The parameter binary_data: true asks for one in binary form." }),
  })
  .openapi("InferenceRequest");

export const inferenceResponseSchema = z
  .object({
    model_name: z.string().openapi({ example: "digits" }),
    model_version: z.string().openapi({ example: "2" }),
    id: z.string().optional(),
    outputs: z.array(
      z.object({ name: z.string(), shape, datatype, parameters: parameters.optional(), data: data.optional() }),
    ),
  })
  .openapi("InferenceResponse");

export const jobSchema = z.object(describedJob.shape).openapi("Job", {
  description:
    "error: why it failed, and of one that waits what stood in its way last. expires_at: when it fails if it could not be run by " +
    "then; of one that is done until when it can be read.",
});

const tensorSpec = z.object({ name: z.string(), datatype, shape: z.array(z.int()).openapi({ example: [-1, 64] }) });

export const modelMetadataSchema = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string().openapi({ example: "onnxruntime_onnx" }),
    inputs: z.array(tensorSpec),
    outputs: z.array(tensorSpec),
  })
  .openapi("ModelMetadata");

export const serverMetadataSchema = z
  .object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .openapi("ServerMetadata");

export const modelPath = z.object({
  model: z.string().openapi({ param: { name: "model", in: "path" }, example: "digits" }),
});
export const versionPath = modelPath.extend({
  version: z.string().openapi({ param: { name: "version", in: "path" }, example: "2" }),
});

/** A JSON reply, as OpenAPI wants it. */
export function json(schema: z.ZodType, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** What any call that is held against limits can be refused with. */
export const limitRefusals = [
  ...(["rate_limited", "concurrency_limited", "quota_exceeded"] as const),
  ...(["tenant_suspended", "limiter_unavailable"] as const),
] as const satisfies readonly ErrorCode[];

/** The refusals that a route can give, one entry a status, with the codes it stands for. */
export function refusals(...expected: readonly ErrorCode[]) {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of expected) {
    const { status } = ERROR_KINDS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, names]) => [status, json(errorSchema, names.join(", "))]));
}
