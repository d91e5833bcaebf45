/**
 * Pre- and post-processing that travels with a model: what callers send becomes what the model takes, and what it answers
 * becomes what callers want, in the process that runs it, without a hop.
 *
 *     "pipeline": {
 *       "before": [
 *         { "step": "decodeImage", "output": "pixels", "width": 8, "height": 8, "channels": 1, "layout": "flat" },
 *         { "step": "normalise", "tensor": "pixels", "scale": 0.0039215686 }
 *       ],
 *       "after": [
 *         { "step": "topK", "tensor": "probabilities", "k": 3, "labels": "labels.txt" },
 *         { "step": "keep", "tensors": ["label", "score"] }
 *       ]
 *     }
 *
 * Promises: a pipeline that does not fit its model is refused when it is loaded, with everything that is wrong; rows stay
 * rows, so requests batch as without one; a request is refused by the row that cannot be read, before it costs the device
 * anything; one whose time is up, or whose caller has gone, is not submitted. Worst case: {@link PREPARED_BYTES} of
 * tensors in preparation, and slices of well under a millisecond of the thread that answers everybody.
 */
import { quoted } from "../../shared/protocol/envelope.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { selectOutputs } from "../../shared/protocol/signature.ts";
import type { InferenceRequest, ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
import { callerGone, expired } from "../scheduler/entry.ts";
import type { Clock } from "../scheduler/executor.ts";
import { ImageDecoder } from "./image-decoder.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { readPipelineFiles } from "./pipeline-files.ts";
import type { PipelineJson } from "./pipeline-schema.ts";
import { type PlannedPipeline, planPipeline } from "./plan-pipeline.ts";
import { type Plan, type StepContext, WrongShape } from "./step.ts";

/** Most bytes of tensors in preparation, of all requests to the process together. */
const PREPARED_BYTES = 256 * 1024 ** 2;
const processBudget = new MemoryBudget(PREPARED_BYTES);

/** Whose request is prepared, and until when. */
export interface Preparing {
  readonly clock: Clock;
  /** On the clock's scale. */
  readonly deadline: number;
  readonly caller: { readonly gone: boolean };
}

/** A request as the model takes it, and what makes its answer the caller's. */
export interface PreparedRequest {
  readonly request: InferenceRequest;
  /**
   * @param outputs those that the request asks of the model
   * @returns those that the caller asked for, in that order
   * @throws WarmgateError `model_failed`
   */
  finish(outputs: readonly Tensor[]): Promise<readonly Tensor[]>;
}

export class Pipeline {
  /** What callers send and are answered: this is what a node announces. */
  readonly signature: ModelSignature;
  /** What a caller might send, as declared; undefined when nothing is. */
  readonly sample: readonly Tensor[] | undefined;
  readonly #before: readonly Plan[];
  readonly #after: readonly Plan[];

  constructor({ signature, before, after }: PlannedPipeline, sample?: readonly Tensor[]) {
    this.signature = signature;
    this.sample = sample;
    this.#before = before;
    this.#after = after;
  }

  /**
   * Reads a pipeline's files and holds it against its model.
   *
   * @param versionFiles the paths of all files of the model's version
   * @param model what the model itself takes and gives
   * @param batched whether its requests run together
   * @throws WarmgateError `model_rejected` naming everything that is wrong
   */
  static async load(
    json: PipelineJson,
    versionFiles: readonly string[],
    model: ModelSignature,
    batched: boolean,
    sample?: readonly Tensor[],
  ): Promise<Pipeline> {
    const texts = await readPipelineFiles(json, versionFiles);
    const pictures = json.before.some(({ step }) => step === "decodeImage");
    const images = pictures ? await ImageDecoder.load() : undefined;
    return new Pipeline(planPipeline(json, { model, batched, texts, images }), sample);
  }

  /**
   * @param request whose inputs fit {@link signature}
   * @throws WarmgateError `unreadable_input`, `input_mismatch`, `unknown_output`, `batch_too_large`, `overloaded`,
   * `deadline_unreachable`, `deadline_exceeded`
   */
  async prepare(request: InferenceRequest, preparing: Preparing): Promise<PreparedRequest> {
    const wanted = selectOutputs(this.signature, request.outputs);
    const { steps, needed } = stepsFor(this.#after, wanted);
    const inputs = await this.#prepareInputs(request.inputs, preparing);
    const outputs = [...needed].map((name) => ({ name, binary: true }));
    return {
      request: { ...request, inputs, outputs },
      finish: (answered) => finish(steps, answered, wanted),
    };
  }

  #prepareInputs(inputs: readonly Tensor[], { clock, deadline, caller }: Preparing): Promise<readonly Tensor[]> {
    const memory = processBudget.open();
    const context: StepContext = {
      checkWanted: () => {
        if (caller.gone) throw callerGone();
        if (clock.now() >= deadline) throw expired();
      },
      remainingMs: () => deadline - clock.now(),
      reserve: memory.reserve,
    };
    return new Promise((resolve, reject) => {
      // A caller is told in time also while a step waits for others; that step stops by itself at its next look.
      const disarm = clock.schedule(Math.max(0, deadline - clock.now()), () => reject(expired()));
      runSteps(this.#before, inputs, context)
        .then((prepared) => {
          context.checkWanted();
          resolve(prepared);
        })
        .catch((error: unknown) => {
          reject(error instanceof WrongShape ? new WarmgateError("input_mismatch", error.message) : error);
        })
        .finally(() => {
          disarm();
          memory.close();
        });
    });
  }
}

/** After the model has run there is an answer, which is not thrown away for being late by a moment. */
const AFTERWARDS: StepContext = { checkWanted: () => {}, remainingMs: () => 0, reserve: () => {} };

async function finish(
  steps: readonly Plan[],
  outputs: readonly Tensor[],
  wanted: readonly string[],
): Promise<readonly Tensor[]> {
  const finished = await runSteps(steps, outputs, AFTERWARDS).catch((error: unknown) => {
    throw error instanceof WrongShape ? new WarmgateError("model_failed", error.message) : error;
  });
  return wanted.map((name) => {
    const tensor = finished.find((output) => output.name === name);
    if (!tensor) throw new WarmgateError("internal", `the pipeline did not make ${quoted(name)}`);
    return tensor;
  });
}

async function runSteps(
  steps: readonly Plan[],
  tensors: readonly Tensor[],
  context: StepContext,
): Promise<readonly Tensor[]> {
  const present = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  for (const step of steps) {
    const inputs = step.reads.map((name) => {
      const tensor = present.get(name);
      if (!tensor) throw new WarmgateError("internal", `the pipeline has no ${quoted(name)}`);
      return tensor;
    });
    const made = await step.run(inputs, context);
    for (const name of step.removes) present.delete(name);
    for (const tensor of made) present.set(tensor.name, tensor);
  }
  return [...present.values()];
}

/** The steps that some outputs take, and what these need of the model: what nobody asked for is not computed. */
function stepsFor(after: readonly Plan[], wanted: readonly string[]): { steps: Plan[]; needed: ReadonlySet<string> } {
  const needed = new Set(wanted);
  const steps: Plan[] = [];
  for (const step of after.toReversed()) {
    if (!step.writes.some(({ name }) => needed.has(name))) continue;
    for (const { name } of step.writes) needed.delete(name);
    for (const name of step.reads) needed.add(name);
    steps.unshift(step);
  }
  return { steps, needed };
}
