import { z } from "zod";
import { DATATYPES } from "../../shared/protocol/datatype.ts";
import { isModelName, isModelVersion } from "../../shared/protocol/model-name.ts";

/** Most steps of an ensemble: each is queued and run for itself. */
const MOST_STEPS = 32;
const MOST_TENSORS = 64;
const HIGHEST_RANK = 16;

const tensorName = z.string().min(1).max(256);

const input = z.strictObject({
  name: tensorName,
  datatype: z.enum(DATATYPES),
  /** Every dimension, the batch dimension included; -1 is one that varies. */
  shape: z.array(z.int().refine((size) => size === -1 || size > 0, "must be -1 or at least 1")).max(HIGHEST_RANK),
});

/** Tensor of the model -> tensor of the ensemble. */
const tensorMap = z
  .record(tensorName, tensorName)
  .refine((map) => Object.keys(map).length > 0, "must name at least one tensor")
  .refine((map) => Object.keys(map).length <= MOST_TENSORS, `must name at most ${MOST_TENSORS} tensors`);

const step = z.strictObject({
  model: z.string().refine(isModelName, "must be a model's name"),
  /** Exactly one, so that an ensemble is not another one from one day to the next. */
  version: z.string().refine(isModelVersion, "must be a version: a whole number from 1, as text"),
  inputs: tensorMap,
  outputs: tensorMap,
});

/** `ensemble` of a `model.json`; what it means is told in `plan-ensemble.ts`. */
export const ensembleSchema = z.strictObject({
  inputs: z.array(input).min(1).max(MOST_TENSORS),
  /** In any order: what a step reads says what it follows. */
  steps: z.array(step).min(1).max(MOST_STEPS),
  /** Tensors that callers are answered, in this order. */
  outputs: z.array(tensorName).min(1).max(MOST_TENSORS),
});

export type EnsembleJson = z.infer<typeof ensembleSchema>;
