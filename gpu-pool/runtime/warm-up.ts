/**
 * Warm-up: a model is run in every batch size it will be given before it is published, so that no request meets a
 * cold kernel, arena or shape. It also *proves* that a model can be batched at all.
 *
 * A first dimension that varies need not be a batch: it may be a sequence, or the model may normalise over it.
 * Batching such a model would mix callers' data. So two different rows are run alone and together, and only if
 * each gets the same answer both ways are requests ever batched.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Tensor, TensorSpec } from "../../shared/protocol/tensor.ts";
import { outsideReason } from "../../shared/protocol/value-range.ts";
import { batchSizesUpTo } from "../scheduler/cost-model.ts";
import { joinRows, splitRows } from "./batch.ts";
import { bucketName } from "./bucket-name.ts";
import { exampleInput } from "./example-input.ts";
import type { ModelInstance, RunResult } from "./model-instance.ts";
import { type Padding, provePadding } from "./padding.ts";
import type { SessionSignature } from "./signature.ts";
import { sameWithin } from "./tensor-compare.ts";

/** Sizes tried for dimensions that vary and are not the batch: what small networks, sequences and images accept. */
const FREE_SIZES = [8, 16, 1, 32, 64, 224];
const DEFAULT_MAX_BATCH = 64;

export interface WarmUpReport {
  /** Rows that may be run together; 0 when requests must run alone. */
  readonly maxBatch: number;
  /** Why the model is not batched, when it is not. */
  readonly notBatched?: string;
  /** Why no input could be derived, when none could; the first request then meets a cold model. */
  readonly notWarmed?: string;
  /** What batches took, to begin with. */
  readonly timings: readonly Timing[];
  /** Outputs with the rank that was seen, where the model file leaves it open. */
  readonly outputs: readonly TensorSpec[];
}

/** One size of batch, timed. */
export interface Timing {
  /** Shapes behind the batch dimension, as `bucketName` writes them. */
  readonly bucket: string;
  readonly rows: number;
  readonly ms: number;
}

export interface WarmUpSettings {
  /** Largest batch as declared; undefined leaves it to be derived. */
  readonly maxBatch: number | undefined;
  /** Declared inputs, one list a request. Without any they are derived from the signature. */
  readonly samples: readonly (readonly Tensor[])[];
  /** Sizes of the padded axis, each of which is warmed; undefined when nothing is padded. */
  readonly padding: Padding | undefined;
  /** Time after which no further batch size is tried, in milliseconds. */
  readonly budgetMs: number;
}

/**
 * @throws WarmgateError `model_rejected` when a declared sample fails, a declared batch cannot be batched, or padding
 * changes the answers
 */
export async function warmUp(instance: ModelInstance, settings: WarmUpSettings): Promise<WarmUpReport> {
  const { signature } = instance;
  const { padding } = settings;
  const run = runnerOf(instance);

  for (const sample of settings.samples) {
    checkSample(signature.inputs, sample);
    await run(sample).catch((error: Error) => {
      throw sampleFails(error.message);
    });
  }

  const derived = await deriveFreeSize(signature.inputs, run);
  const outputs = observedOutputs(signature.outputs, derived.result);
  if (derived.free === undefined) {
    const why = `no input could be derived from the signature: ${derived.reason}`;
    if (settings.maxBatch) throw new WarmgateError("model_rejected", `maxBatch cannot be proven, ${why}`);
    if (padding) throw new WarmgateError("model_rejected", `padding cannot be proven, ${why}`);
    const timings = await timeSamples(signature, settings.samples, run);
    return { maxBatch: 0, notBatched: why, outputs, timings, ...(timings.length > 0 ? {} : { notWarmed: why }) };
  }
  if (padding) await provePadding(run, { inputs: signature.inputs, outputs }, padding, settings.samples, derived.free);

  const notBatched =
    settings.maxBatch === 0 ? "model.json says so" : await refuteBatching(signature.inputs, derived.free, run);
  if (notBatched !== undefined) {
    if (settings.maxBatch)
      throw new WarmgateError("model_rejected", `maxBatch is ${settings.maxBatch}, but ${notBatched}`);
    const timings = await timeGrid(signature, padding?.sizes ?? [derived.free], [1], settings.budgetMs, run);
    return { maxBatch: 0, notBatched, outputs, timings };
  }
  const maxBatch = settings.maxBatch ?? DEFAULT_MAX_BATCH;
  const grid = [padding?.sizes ?? [derived.free], batchSizesUpTo(maxBatch)] as const;
  const timings = await timeGrid(signature, ...grid, settings.budgetMs, run);
  // Some exporters declare a first dimension of 1 that grows with the batch all the same.
  const growing = outputs.map((output) => ({ ...output, shape: [-1, ...output.shape.slice(1)] }));
  return { maxBatch, outputs: growing, timings };
}

/**
 * Holds a declared request against the declared ranges, before anything runs it.
 *
 * @throws WarmgateError `model_rejected`
 */
export function checkSample(inputs: readonly TensorSpec[], sample: readonly Tensor[]): void {
  for (const input of sample) {
    const range = inputs.find(({ name }) => name === input.name)?.range;
    const reason = range && outsideReason(range, input);
    if (reason !== undefined) throw sampleFails(reason);
  }
}

function sampleFails(reason: string): WarmgateError {
  return new WarmgateError("model_rejected", `a warm-up sample of model.json fails: ${reason}`);
}

/** Runs another instance of a model through the sizes that the first was warmed in. */
export async function warmAlike(
  instance: ModelInstance,
  report: WarmUpReport,
  settings: WarmUpSettings,
): Promise<void> {
  const run = runnerOf(instance);
  for (const sample of settings.samples) await run(sample);
  const buckets = settings.padding?.sizes ?? [(await deriveFreeSize(instance.signature.inputs, run)).free ?? 0];
  if (buckets.includes(0)) return;
  const sizes = batchSizesUpTo(Math.max(1, report.maxBatch));
  await timeGrid(instance.signature, buckets, sizes, settings.budgetMs, run);
}

function runnerOf(instance: ModelInstance): Run {
  const outputNames = instance.signature.outputs.map((output) => output.name);
  return (inputs) =>
    instance.run(
      inputs.map((input) => joinRows([input])),
      outputNames,
    );
}

/** Warms and times every size of batch in every bucket, small ones first, until the time is up. */
async function timeGrid(
  { inputs }: SessionSignature,
  frees: readonly number[],
  sizes: readonly number[],
  budgetMs: number,
  run: Run,
): Promise<Timing[]> {
  const timings: Timing[] = [];
  const giveUpAt = performance.now() + budgetMs;
  for (const rows of sizes) {
    for (const free of frees) {
      if (performance.now() >= giveUpAt) return timings;
      const batch = examples(inputs, rows, free, 0);
      timings.push({ bucket: bucketName({ inputs }, batch), rows, ms: await secondRunMs(batch, run) });
    }
  }
  return timings;
}

async function timeSamples(
  { inputs }: SessionSignature,
  samples: readonly (readonly Tensor[])[],
  run: Run,
): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const sample of samples) {
    timings.push({ bucket: bucketName({ inputs }, sample), rows: 1, ms: await secondRunMs(sample, run) });
  }
  return timings;
}

/** The first run of a shape pays for kernels and memory that later ones find ready. */
async function secondRunMs(inputs: readonly Tensor[], run: Run): Promise<number> {
  await run(inputs);
  const startedAt = performance.now();
  await run(inputs);
  return performance.now() - startedAt;
}

/** Runs a model once. */
export type Run = (inputs: readonly Tensor[]) => Promise<RunResult>;

function examples(specs: readonly TensorSpec[], rows: number, free: number, seed: number): Tensor[] {
  return specs.map((spec) => exampleInput(spec, rows, free, seed));
}

interface Derived {
  readonly free?: number;
  readonly result?: RunResult;
  readonly reason: string;
}

/** Finds a size for the open dimensions with which the model runs, and runs it. */
export async function deriveFreeSize(specs: readonly TensorSpec[], run: Run): Promise<Derived> {
  const open = specs.some((spec) => spec.shape.slice(1).includes(-1));
  let reason = "";
  for (const free of open ? FREE_SIZES : [1]) {
    try {
      return { free, result: await run(examples(specs, 1, free, 0)), reason: "" };
    } catch (error) {
      reason ||= error instanceof Error ? error.message : String(error);
    }
  }
  return { reason };
}

/** Tries to show that rows influence each other; undefined when they do not. */
async function refuteBatching(specs: readonly TensorSpec[], free: number, run: Run): Promise<string | undefined> {
  if (specs.length === 0) return "the model has no inputs";
  const fixed = specs.find((spec) => spec.shape[0] !== -1);
  if (fixed) return `the first dimension of input '${fixed.name}' is fixed`;
  try {
    const alone = [await run(examples(specs, 1, free, 0)), await run(examples(specs, 1, free, 1))];
    const together = await run(examples(specs, 2, free, 0));
    for (const output of together.outputs) {
      if (output.shape[0] !== 2) return `output '${output.name}' does not grow with the batch`;
      for (const [row, share] of splitRows(output, [1, 1]).entries()) {
        const own = alone[row]?.outputs.find((candidate) => candidate.name === output.name);
        if (!own || !sameWithin(share, { ...own, bytes: new Uint8Array(own.buffer) })) {
          return `a row's '${output.name}' depends on the rows beside it`;
        }
      }
    }
    return undefined;
  } catch (error) {
    return `it cannot be run with two rows: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** ONNX Runtime shows an output of unknown rank like a scalar; the rank it really has is known once it has run. */
function observedOutputs(specs: readonly TensorSpec[], result: RunResult | undefined): TensorSpec[] {
  return specs.map((spec) => {
    const seen = result?.outputs.find((output) => output.name === spec.name);
    if (!seen || spec.shape.length > 0 || seen.shape.length === 0) return spec;
    return { ...spec, shape: seen.shape.map(() => -1) };
  });
}
