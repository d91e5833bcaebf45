import type { Logger } from "pino";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { ModelInstance } from "../runtime/model-instance.ts";
import { ServedModel } from "../runtime/served-model.ts";
import { warmUp } from "../runtime/warm-up.ts";
import type { Clock } from "../scheduler/executor.ts";
import type { PoolMetrics } from "../telemetry/metrics.ts";
import type { Artefact } from "./model-repository.ts";

export interface DeviceSettings {
  readonly provider: "cpu" | "cuda";
  readonly deviceId: number;
  readonly computeThreads: number;
}

const WARM_UP_BUDGET_MS = 3_000;
const utf8 = new TextEncoder();

/**
 * Loads an artefact in a thread of its own, warms it up and readies it to serve.
 *
 * @param onCrash called when its thread dies later without having been asked to
 * @throws WarmgateError `model_rejected`
 */
export async function loadModel(
  artefact: Artefact,
  device: DeviceSettings,
  clock: Clock,
  metrics: PoolMetrics,
  log: Logger,
  onCrash: (reason: string) => void,
): Promise<ServedModel> {
  const { settings, name, version, digest } = artefact;
  const samples = settings.warmup.map((body) => {
    try {
      return decodeInferenceRequest(utf8.encode(JSON.stringify(body)), null).inputs;
    } catch (error) {
      const reason = error instanceof WarmgateError ? error.message : "not an inference request";
      throw new WarmgateError("model_rejected", `a warm-up sample of model.json cannot be read: ${reason}`);
    }
  });
  const instance = await ModelInstance.load({
    file: artefact.modelFile,
    provider: device.provider,
    deviceId: device.deviceId,
    computeThreads: settings.computeThreads ?? device.computeThreads,
  });
  try {
    const report = await warmUp(instance, { maxBatch: settings.maxBatch, samples, budgetMs: WARM_UP_BUDGET_MS });
    const { omittedOutputs } = instance.signature;
    if (omittedOutputs.length > 0) {
      log.warn({ model: name, version, outputs: omittedOutputs }, "outputs that are not tensors are left out");
    }
    if (report.notWarmed) log.warn({ model: name, version, reason: report.notWarmed }, "not warmed up; declare warmup");
    if (report.notBatched) log.info({ model: name, version, reason: report.notBatched }, "requests run one by one");
    instance.onCrash = onCrash;
    const { description, deterministic } = settings;
    const identity = { name, version, digest, description, deterministic, provider: device.provider };
    return new ServedModel(identity, instance, report, metrics.forModel(name, version), clock);
  } catch (error) {
    await instance.close();
    throw error;
  }
}
