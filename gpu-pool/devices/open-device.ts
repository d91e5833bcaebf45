/**
 * A device with everything that looks after it: what fits on it, how it is, and what is done when it fails.
 *
 *     const device = await openDevice({ provider: "cuda", deviceId: 0, name: "cuda:0", registry, log, onRecycle, ... });
 *     const served = await loadOnDevice(device, { model, version, files, instances, probed, evictable }, open);
 *
 * A CPU's memory is the process's own, which is looked after elsewhere (the prober and the overload stages): there, models
 * are placed only where the operator says how much they may take.
 */
import { stat } from "node:fs/promises";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import { DeviceGuard, type DeviceGuardOptions } from "./device-guard.ts";
import { observeGpu, observePlacement, observeRecovery } from "./device-metrics.ts";
import { smiIdOf } from "./gpu-reading.ts";
import { GpuSampler } from "./gpu-sampler.ts";
import { capacityOf, estimatedBytes, type Load, ModelPlacement, type Opened } from "./model-placement.ts";

export interface DeviceOptions extends Pick<DeviceGuardOptions, "now" | "onRecycle"> {
  readonly provider: "cpu" | "cuda";
  /** Among the devices that CUDA shows. */
  readonly deviceId: number;
  /** As metrics call it: `cuda:0`. */
  readonly name: string;
  /** What models may take together; undefined: what a GPU has free, of a CPU's memory whatever there is. */
  readonly memoryBytes: number | undefined;
  readonly registry: Registry;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly environment: NodeJS.ProcessEnv;
}

export interface OpenDevice {
  readonly guard: DeviceGuard;
  /** All memory of the device; infinite where that is not known. */
  readonly totalBytes: number;
  /** Undefined where it is not known what models may take. */
  readonly placement: ModelPlacement | undefined;
  /** Ends what looks after it. */
  close(): void;
}

/** Takes one sample of a GPU, some 20 ms to a second, before models are loaded. Never rejects. */
export async function openDevice(options: DeviceOptions): Promise<OpenDevice> {
  const { provider, name, memoryBytes, registry, log, now, onRecycle } = options;
  const guard = new DeviceGuard({ now, log, onRecycle });
  const sampler = provider === "cuda" ? samplerOf(options) : undefined;
  const first = await sampler?.sample();
  sampler?.start();
  if (sampler) observeGpu(registry, name, () => sampler.reading);
  if (provider === "cuda") observeRecovery(registry, name, guard);
  const total = first?.memoryTotalBytes;
  const free = total === undefined ? undefined : total - (first?.memoryUsedBytes ?? 0);
  const capacityBytes = capacityOf(memoryBytes, free);
  const placement = capacityBytes === undefined ? undefined : placementOf(capacityBytes, sampler, log);
  if (placement) observePlacement(registry, name, placement);
  else if (provider === "cuda") log.warn("how much memory the GPU has is not known: loads are not held against it");
  return { guard, totalBytes: total ?? Number.POSITIVE_INFINITY, placement, close: () => sampler?.stop() };
}

function samplerOf({ deviceId, environment, log, now }: DeviceOptions): GpuSampler | undefined {
  const id = smiIdOf(deviceId, environment.CUDA_VISIBLE_DEVICES);
  return id === undefined ? undefined : new GpuSampler({ id, log, now, environment });
}

function placementOf(
  capacityBytes: number,
  sampler: GpuSampler | undefined,
  log: DeviceOptions["log"],
): ModelPlacement {
  if (!sampler) return new ModelPlacement({ capacityBytes, log });
  const usedBytes = async () => (await sampler.sample())?.memoryUsedBytes;
  return new ModelPlacement({ capacityBytes, usedBytes, log });
}

export interface ModelLoad extends Omit<Load, "bytes" | "leastBytes"> {
  readonly files: readonly string[];
  readonly instances: number;
  /** What a process grew by when it tried the model on the CPU; undefined where that says nothing. */
  readonly probedBytes: number | undefined;
}

/**
 * Loads a model where there is room for it.
 *
 * @param open as {@link ModelPlacement.load} wants it, and so is `tryOut`
 * @throws WarmgateError `model_rejected` where it does not fit; whatever `open` throws
 */
export async function loadOnDevice<T>(
  { placement }: Pick<OpenDevice, "placement">,
  { files, instances, probedBytes, ...load }: ModelLoad,
  open: (release: () => void) => Promise<Opened<T>>,
  tryOut?: () => Promise<void>,
): Promise<T> {
  let fileBytes = 0;
  for (const file of files) fileBytes += (await stat(file)).size;
  const bytes = estimatedBytes({ fileBytes, probedBytes, instances });
  if (!placement) {
    await tryOut?.();
    const { loaded, placed } = await open(() => undefined);
    // Nobody counts it, so a guess is not worth telling.
    if (probedBytes !== undefined) placed.takes(bytes);
    return loaded;
  }
  return placement.load({ ...load, bytes, leastBytes: instances * fileBytes }, open, tryOut);
}
