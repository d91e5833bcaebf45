import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Logger } from "pino";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { DeviceGuard } from "../devices/device-guard.ts";
import { runsOf, warmUpRunsOf } from "../loading.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import { prepareSamples } from "../pipeline/prepare-samples.ts";
import type { Completions } from "../runtime/completions.ts";
import { ModelInstance } from "../runtime/model-instance.ts";
import { checkPadding } from "../runtime/padding.ts";
import { type PredictionScheduler, ServedModel } from "../runtime/served-model.ts";
import { type WarmUpSettings, warmAlike, warmUp } from "../runtime/warm-up.ts";
import type { WorkerSettings } from "../runtime/worker-protocol.ts";
import type { PoolMetrics } from "../telemetry/metrics.ts";
import type { Artefact } from "./model-repository.ts";
import type { ProbeReport } from "./probe/probe-messages.ts";

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
  /** Who deals with its failures; undefined where they are the models' own. */
  readonly recovery?: { readonly guard: DeviceGuard; readonly capacityBytes: number } | undefined;
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
 * @param probed what was found out when it was tried; undefined when it was not
 * @throws WarmgateError `model_rejected`
 */
export async function loadModel(
  artefact: Artefact,
  device: Device,
  metrics: PoolMetrics,
  log: Logger,
  onCrash: (reason: string) => void,
  probed?: ProbeReport,
): Promise<ServedModel> {
  const { settings, name, version, digest } = artefact;
  const { maxBatch, padding } = settings;
  const requests = readRequests(settings);
  const count = await instanceCount(artefact, device);
  const workerSettings = workerSettingsOf(artefact, device);
  // One after another: a file that does not load should fail once, and loading takes twice the memory for a moment.
  const open = async () => {
    const instance = await ModelInstance.load(workerSettings, device.completions);
    instance.model = runsOf({ model: name, version });
    instance.longestMs = probed?.runMs ?? 0;
    return instance;
  };
  const openCold = async () => {
    const instance = await open();
    instance.model = warmUpRunsOf({ model: name, version });
    return instance;
  };
  const first = await openCold();
  const instances: [ModelInstance, ...ModelInstance[]] = [first];
  try {
    if (padding) checkPadding(padding, first.signature);
    const samples = settings.pipeline
      ? await prepareSamples(settings.pipeline, artefact.files, first.signature, requests)
      : requests;
    const warmUpSettings = { maxBatch, padding, samples, budgetMs: WARM_UP_BUDGET_MS };
    const report = await warmUp(first, warmUpSettings);
    const model = { inputs: first.signature.inputs, outputs: report.outputs };
    const pipeline =
      settings.pipeline &&
      (await Pipeline.load(settings.pipeline, artefact.files, model, report.maxBatch > 0, requests[0]));
    while (instances.length < count) {
      const next = await openCold();
      instances.push(next);
      await warmAlike(next, report, warmUpSettings);
    }
    const { omittedOutputs } = first.signature;
    if (omittedOutputs.length > 0) {
      log.warn({ model: name, version, outputs: omittedOutputs }, "outputs that are not tensors are left out");
    }
    if (report.notWarmed) log.warn({ model: name, version, reason: report.notWarmed }, "not warmed up; declare warmup");
    if (report.notBatched) log.info({ model: name, version, reason: report.notBatched }, "requests run one by one");
    for (const instance of instances) {
      instance.onCrash = onCrash;
      instance.model = runsOf({ model: name, version });
    }
    const { description, deterministic, maxDelayMs, nonFinite } = settings;
    const identity = { name, version, digest, description, deterministic, provider: device.provider };
    const policy = {
      maxDelayMs,
      padding,
      pipeline,
      refuseNonFinite: nonFinite === "refuse",
      // A GPU searches for kernels at the first sight of a shape; a CPU only computes what there is.
      padBatches: device.provider === "cuda",
    };
    // Not warmed up: the largest batches are what there was no memory for.
    const reopen = async () => {
      const fresh: ModelInstance[] = [];
      try {
        while (fresh.length < count) fresh.push(await open());
      } catch (error) {
        await Promise.all(fresh.map((instance) => instance.close()));
        throw error;
      }
      for (const instance of fresh) instance.onCrash = onCrash;
      return fresh;
    };
    const recovery = device.recovery && { ...device.recovery, reopen };
    const modelMetrics = metrics.forModel(name, version);
    return new ServedModel(identity, instances, report, policy, modelMetrics, device.scheduler, recovery);
  } catch (error) {
    await Promise.all(instances.map((instance) => instance.close()));
    throw error;
  }
}

/** How sessions of an artefact are opened. */
export function workerSettingsOf(
  { modelFile, files, settings }: Artefact,
  device: Pick<Device, "provider" | "deviceId" | "computeThreads">,
): WorkerSettings {
  return {
    file: modelFile,
    dataFiles: files.filter((file) => file !== modelFile).map((file) => basename(file)),
    provider: device.provider,
    deviceId: device.deviceId,
    computeThreads: settings.computeThreads ?? device.computeThreads,
    ranges: settings.ranges,
  };
}

/**
 * Inputs that the model itself takes, of the warm-up requests of a model.json; none where a pipeline makes them of those.
 *
 * @throws WarmgateError `model_rejected`
 */
export function readSamples(settings: Artefact["settings"]): WarmUpSettings["samples"] {
  return settings.pipeline ? [] : readRequests(settings);
}

/** What callers send, of the warm-up requests. */
function readRequests({ warmup }: Artefact["settings"]): WarmUpSettings["samples"] {
  return warmup.map((body) => {
    try {
      return decodeInferenceRequest(utf8.encode(JSON.stringify(body)), null).inputs;
    } catch (error) {
      const reason = error instanceof WarmgateError ? error.message : "not an inference request";
      throw new WarmgateError("model_rejected", `a warm-up sample of model.json cannot be read: ${reason}`);
    }
  });
}

/** As declared; else one a slot, as far as copies of the weights stay small. */
export async function instanceCount({ settings, files }: Artefact, { slots }: Pick<Device, "slots">): Promise<number> {
  if (settings.instances !== undefined) return settings.instances;
  let size = 0;
  for (const file of files) size += (await stat(file)).size;
  return Math.max(1, Math.min(slots, MOST_DEFAULT_INSTANCES, Math.floor(DEFAULT_WEIGHTS_BYTES / Math.max(1, size))));
}
