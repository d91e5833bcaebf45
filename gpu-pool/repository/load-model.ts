import { stat } from "node:fs/promises";
import type { Logger } from "pino";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { Completions } from "../runtime/completions.ts";
import { ModelInstance } from "../runtime/model-instance.ts";
import { checkPadding } from "../runtime/padding.ts";
import { type PredictionScheduler, ServedModel } from "../runtime/served-model.ts";
import { type WarmUpSettings, warmAlike, warmUp } from "../runtime/warm-up.ts";
import type { PoolMetrics } from "../telemetry/metrics.ts";
import type { Artefact } from "./model-repository.ts";

/** The device that models are loaded on, and what schedules it. */
export interface Device {
  readonly provider: "cpu" | "cuda";
  readonly deviceId: number;
  /** Threads that one run may use. */
  readonly computeThreads: number;
  /** Runs that the device takes at once. */
  readonly slots: number;
  readonly scheduler: PredictionScheduler;
  readonly completions: Completions;
}

const WARM_UP_BUDGET_MS = 3_000;
const utf8 = new TextEncoder();

/** Weights that the instances of a model may take by default, in bytes: each instance has its own. */
const DEFAULT_WEIGHTS_BYTES = 512 * 1024 ** 2;
const MOST_DEFAULT_INSTANCES = 8;

/**
 * Loads an artefact in threads of its own, warms it up and readies it to serve.
 *
 * @param onCrash called when a thread of it dies later without having been asked to
 * @throws WarmgateError `model_rejected`
 */
export async function loadModel(
  artefact: Artefact,
  device: Device,
  metrics: PoolMetrics,
  log: Logger,
  onCrash: (reason: string) => void,
): Promise<ServedModel> {
  const { settings, name, version, digest } = artefact;
  const { maxBatch, padding } = settings;
  const warmUpSettings = { maxBatch, padding, samples: readSamples(settings), budgetMs: WARM_UP_BUDGET_MS };
  const count = settings.instances ?? (await defaultInstances(artefact.modelFile, device));
  const workerSettings = {
    file: artefact.modelFile,
    provider: device.provider,
    deviceId: device.deviceId,
    computeThreads: settings.computeThreads ?? device.computeThreads,
  };
  // One after another: a file that does not load should fail once, and loading takes twice the memory for a moment.
  const first = await ModelInstance.load(workerSettings, device.completions);
  const instances: [ModelInstance, ...ModelInstance[]] = [first];
  try {
    if (padding) checkPadding(padding, first.signature);
    const report = await warmUp(first, warmUpSettings);
    while (instances.length < count) {
      const next = await ModelInstance.load(workerSettings, device.completions);
      instances.push(next);
      await warmAlike(next, report, warmUpSettings);
    }
    const { omittedOutputs } = first.signature;
    if (omittedOutputs.length > 0) {
      log.warn({ model: name, version, outputs: omittedOutputs }, "outputs that are not tensors are left out");
    }
    if (report.notWarmed) log.warn({ model: name, version, reason: report.notWarmed }, "not warmed up; declare warmup");
    if (report.notBatched) log.info({ model: name, version, reason: report.notBatched }, "requests run one by one");
    for (const instance of instances) instance.onCrash = onCrash;
    const { description, deterministic, maxDelayMs, nonFinite } = settings;
    const identity = { name, version, digest, description, deterministic, provider: device.provider };
    const policy = {
      maxDelayMs,
      padding,
      refuseNonFinite: nonFinite === "refuse",
      // A GPU searches for kernels at the first sight of a shape; a CPU only computes what there is.
      padBatches: device.provider === "cuda",
    };
    return new ServedModel(identity, instances, report, policy, metrics.forModel(name, version), device.scheduler);
  } catch (error) {
    await Promise.all(instances.map((instance) => instance.close()));
    throw error;
  }
}

function readSamples({ warmup }: Artefact["settings"]): WarmUpSettings["samples"] {
  return warmup.map((body) => {
    try {
      return decodeInferenceRequest(utf8.encode(JSON.stringify(body)), null).inputs;
    } catch (error) {
      const reason = error instanceof WarmgateError ? error.message : "not an inference request";
      throw new WarmgateError("model_rejected", `a warm-up sample of model.json cannot be read: ${reason}`);
    }
  });
}

/** One a slot, as far as copies of the weights stay small. */
async function defaultInstances(modelFile: string, { slots }: Device): Promise<number> {
  const { size } = await stat(modelFile);
  return Math.max(1, Math.min(slots, MOST_DEFAULT_INSTANCES, Math.floor(DEFAULT_WEIGHTS_BYTES / Math.max(1, size))));
}
