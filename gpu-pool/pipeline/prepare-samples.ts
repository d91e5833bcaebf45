import { asWarmgateError, WarmgateError } from "../../shared/protocol/errors.ts";
import { checkInputs } from "../../shared/protocol/signature.ts";
import type { ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
import { realClock } from "../scheduler/real-clock.ts";
import { Pipeline } from "./pipeline.ts";
import type { PipelineJson } from "./pipeline-schema.ts";

/** Longest that one declared request may take to be prepared. */
const LONGEST_MS = 30_000;

/**
 * The declared warm-up requests of a model with a pipeline, which are what callers send, as what the model takes.
 *
 * @param model what the model itself takes and gives; its outputs may still be of unknown rank
 * @throws WarmgateError `model_rejected`
 */
export async function prepareSamples(
  json: PipelineJson,
  versionFiles: readonly string[],
  model: ModelSignature,
  samples: readonly (readonly Tensor[])[],
): Promise<(readonly Tensor[])[]> {
  if (samples.length === 0) return [];
  // What comes after the model is planned as well, so that everything wrong is told at once, unless a rank is still open.
  const after = model.outputs.every(({ shape }) => shape.length > 0) ? json.after : [];
  const pipeline = await Pipeline.load({ ...json, after }, versionFiles, model, false);
  const prepared: (readonly Tensor[])[] = [];
  for (const inputs of samples) {
    try {
      checkInputs(pipeline.signature, inputs);
      const deadline = realClock.now() + LONGEST_MS;
      const preparing = { clock: realClock, deadline, caller: { gone: false } };
      const { request } = await pipeline.prepare({ parameters: {}, inputs, binaryOutput: true }, preparing);
      prepared.push(request.inputs);
    } catch (error) {
      const { message } = asWarmgateError(error);
      throw new WarmgateError("model_rejected", `a warm-up sample of model.json cannot be prepared: ${message}`);
    }
  }
  return prepared;
}
