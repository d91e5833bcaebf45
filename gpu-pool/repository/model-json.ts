import { readFile } from "node:fs/promises";
import { z } from "zod";
import { WarmgateError } from "../../shared/protocol/errors.ts";

/**
 * `model.json`, beside a model's version folders. All of it is optional: names, datatypes and shapes are read from
 * the ONNX file, and whether the model can be batched is found out at warm-up.
 */
const modelJsonSchema = z.strictObject({
  description: z.string().max(1000).default(""),
  /** The same input gives the same answer, so answers may be kept. */
  deterministic: z.boolean().default(false),
  /** Largest batch in rows; 0 runs every request alone. Left out, it is derived. */
  maxBatch: z.int().min(0).max(4096).optional(),
  /** Threads that one run may use. Left out: half the cores. */
  computeThreads: z.int().min(1).max(256).optional(),
  /** Inference requests (the body of /infer) that are run before the model is published; a failing one fails the load. */
  warmup: z
    .array(z.looseObject({ inputs: z.array(z.unknown()).min(1) }))
    .max(32)
    .default([]),
});

export type ModelJson = z.infer<typeof modelJsonSchema>;

/** @throws WarmgateError `model_rejected` naming everything that is wrong with the file */
export async function readModelJson(file: string | undefined): Promise<ModelJson> {
  if (!file) return modelJsonSchema.parse({});
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new WarmgateError("model_rejected", "model.json cannot be read as JSON", { cause });
  }
  const parsed = modelJsonSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
  throw new WarmgateError("model_rejected", `model.json is not valid: ${faults.join("; ")}`);
}
