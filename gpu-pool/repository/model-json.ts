import { readFile } from "node:fs/promises";
import { z } from "zod";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { type EnsembleJson, ensembleSchema } from "../ensemble/ensemble-schema.ts";
import { pipelineSchema } from "../pipeline/pipeline-schema.ts";
import { versionPolicySchema } from "./version-policy.ts";

/** Most sizes that a padded axis may have: each is a shape that is warmed before the model serves. */
const MOST_SIZES = 32;
/** Longest padded axis: a minute of sound at 16 kHz. */
const LONGEST = 2 ** 20;

/**
 * Padding that the model's owner declares safe; whether it is, warm-up tries to refute.
 *
 *     { "axis": 1, "sizes": [32, 64, 128], "inputs": { "input_ids": 0, "attention_mask": 0 }, "outputs": ["last_hidden_state"] }
 */
const paddingSchema = z.strictObject({
  /** The padded axis; 0 is the batch. */
  axis: z.int().min(1).max(15),
  sizes: z
    .array(z.int().min(1).max(LONGEST))
    .min(1)
    .max(MOST_SIZES)
    .refine(isAscending, "must be ascending, each once"),
  /** Name -> pad value: a number, true or false for BOOL, a string for BYTES. */
  inputs: z
    .record(z.string(), z.union([z.number(), z.boolean(), z.string().max(256)]))
    .refine((inputs) => Object.keys(inputs).length > 0, "must name at least one input"),
  /** Outputs that grow with the axis and are cut back to the request's own size. */
  outputs: z
    .array(z.string())
    .refine((names) => new Set(names).size === names.length, "must name each output once")
    .default([]),
});

/**
 * Values that callers may send; what is outside is refused before it is queued.
 *
 *     { "input_ids": { "min": 0, "max": 30521 } }
 */
const rangesSchema = z.record(
  z.string(),
  z
    .strictObject({ min: z.number().optional(), max: z.number().optional() })
    .refine(({ min, max }) => min !== undefined || max !== undefined, "must have a min or a max")
    .refine(({ min = -Infinity, max = Infinity }) => min <= max, "must have a min that is not above its max"),
);

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
  /** How long an idle device may wait for a fuller batch, in milliseconds, when enough requests are coming to fill it. */
  maxDelayMs: z.number().min(0).max(1000).default(0),
  /** Copies of the model, each with a thread: how many runs of it go on at once. Left out: one a slot of the device. */
  instances: z.int().min(1).max(64).optional(),
  /** Threads that one run may use. Left out: as the pool is told. */
  computeThreads: z.int().min(1).max(256).optional(),
  /** The model may be unloaded when another one needs its memory; it comes back when it is loaded by name. */
  evictable: z.boolean().default(false),
  /** `refuse` turns an answer with NaN or Infinity in it into an error; `allow` passes it on. */
  nonFinite: z.enum(["allow", "refuse"]).default("allow"),
  /** Input -> the values that callers may send. Left out, all. */
  ranges: rangesSchema.optional(),
  /** Requests are padded along one axis to the next of these sizes. Left out, nothing is padded. */
  padding: paddingSchema.optional(),
  /** Steps before and after the model, which callers need not do themselves. Left out, callers speak to the model. */
  pipeline: pipelineSchema.optional(),
  /** Which versions are served. Left out, all. */
  versionPolicy: versionPolicySchema.optional(),
  /** Inference requests (the body of /infer) that are run before the model is published; a failing one fails the load. */
  warmup: z
    .array(z.looseObject({ inputs: z.array(z.unknown()).min(1) }))
    .max(32)
    .default([]),
});

export interface ModelJson extends z.infer<typeof modelJsonSchema> {
  /** The steps of an ensemble, which has no model of its own. */
  readonly ensemble?: EnsembleJson | undefined;
}

/** `model.json` of an ensemble: what is about a model's own runs has no place in it. */
const ensembleJsonSchema = z.strictObject(
  {
    ensemble: ensembleSchema,
    ...modelJsonSchema.pick({ description: true, deterministic: true, versionPolicy: true }).shape,
  },
  {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `an ensemble cannot have ${(issue.keys ?? []).map((key) => JSON.stringify(key)).join(", ")}: it belongs to the models of its steps`
        : undefined,
  },
);

/** @throws WarmgateError `model_rejected` naming everything that is wrong with the file */
export async function readModelJson(file: string | undefined): Promise<ModelJson> {
  if (!file) return modelJsonSchema.parse({});
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new WarmgateError("model_rejected", "model.json cannot be read as JSON", { cause });
  }
  const parsed = isEnsemble(content) ? ensembleJsonSchema.safeParse(content) : modelJsonSchema.safeParse(content);
  if (parsed.success) return "ensemble" in parsed.data ? { ...modelJsonSchema.parse({}), ...parsed.data } : parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
  throw new WarmgateError("model_rejected", `model.json is not valid: ${faults.join("; ")}`);
}

/** Whether the content of a `model.json` says that it is an ensemble's, valid or not. */
export function isEnsemble(content: unknown): boolean {
  return typeof content === "object" && content !== null && Object.hasOwn(content, "ensemble");
}

function isAscending(sizes: readonly number[]): boolean {
  return sizes.every((size, at) => at === 0 || size > (sizes[at - 1] ?? 0));
}
