/**
 * Loads model versions from disk as a pool does, without a pool: first in a process that may be lost, then warmed up by the
 * very function that a pool loads them with.
 */
import { pino } from "pino";
import { z } from "zod";
import { memoryLimit } from "../../../gpu-pool/overload/process-readings.ts";
import { type Device, loadModel, readSamples, workerSettingsOf } from "../../../gpu-pool/repository/load-model.ts";
import type { Artefact } from "../../../gpu-pool/repository/model-repository.ts";
import type { ProbeReport } from "../../../gpu-pool/repository/probe/probe-messages.ts";
import { memoryLeft, Prober } from "../../../gpu-pool/repository/probe/prober.ts";
import { Completions } from "../../../gpu-pool/runtime/completions.ts";
import type { PredictionScheduler } from "../../../gpu-pool/runtime/served-model.ts";
import { DeviceScheduler } from "../../../gpu-pool/scheduler/device-scheduler.ts";
import { realClock } from "../../../gpu-pool/scheduler/real-clock.ts";
import { PoolMetrics } from "../../../gpu-pool/telemetry/metrics.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";

export interface OfflineDevice {
  readonly provider: "cpu" | "cuda";
  readonly deviceId: number;
  /** Threads that one run may use. */
  readonly computeThreads: number;
}

/** What a pool would say of a version once it serves. */
export interface LoadedVersion {
  /** What callers send and are answered: the pipeline's, where there is one. */
  readonly signature: ModelSignature;
  /** Rows that may run together; 0 when requests run alone. */
  readonly maxBatch: number;
  /** What batches of each size took when they were run the second time. */
  readonly batches: readonly { readonly bucket: string; readonly rows: number; readonly ms: number }[];
  /** What a pool would log beside: why it is not batched, which outputs are left out. */
  readonly notes: readonly string[];
}

/** As a pool has it by default. */
const PROBE_LIMIT_MS = 120_000;
const STAY_MS = 60_000;
const noteSchema = z.object({
  msg: z.string(),
  reason: z.string().optional(),
  outputs: z.array(z.string()).optional(),
});

export class OfflineLoader {
  readonly #device: Device;
  readonly #prober: Prober;
  readonly #metrics: PoolMetrics;
  /** A pool has its ports; here nothing else would keep the process while another one tries a file. */
  readonly #stay: NodeJS.Timeout;

  constructor(device: OfflineDevice) {
    this.#stay = setInterval(() => undefined, STAY_MS);
    // As a pool does: ONNX Runtime reports to its maker unless told not to.
    process.env.ORT_DISABLE_TELEMETRY = "1";
    const scheduler: PredictionScheduler = new DeviceScheduler(realClock, {
      ...{ slots: 1, maxQueueMs: 1_000, maxQueueItems: 1, maxQueueBytes: 1, overloadedWaitMs: 1_000 },
      ...{ weightOf: () => 1, random: Math.random, epochMs: Date.now },
    });
    this.#device = { ...device, slots: 1, scheduler, completions: new Completions(realClock.now) };
    this.#metrics = new PoolMetrics(() => [], scheduler);
    this.#prober = new Prober({
      limitMs: PROBE_LIMIT_MS,
      memoryLimitBytes: () => memoryLeft(memoryLimit()),
      log: { info: () => undefined },
    });
  }

  /** @throws WarmgateError `model_rejected` */
  probe(artefact: Artefact): Promise<ProbeReport> {
    const { name: model, version, digest, settings } = artefact;
    const [sample] = readSamples(settings);
    return this.#prober.probe({ model, version, digest, settings: workerSettingsOf(artefact, this.#device), sample });
  }

  /**
   * Warms a version up and lets go of it.
   *
   * @throws WarmgateError `model_rejected`
   */
  async load(artefact: Artefact, probed: ProbeReport): Promise<LoadedVersion> {
    const notes: string[] = [];
    const log = pino({ base: null, timestamp: false }, { write: (line) => notes.push(...noteIn(line)) });
    // Further copies would say nothing new.
    const once = { ...artefact, settings: { ...artefact.settings, instances: 1 } };
    const served = await loadModel(once, this.#device, this.#metrics, log, () => undefined, probed);
    try {
      const { signature, maxBatch, costs } = served;
      const batches = costs.table(realClock.now()).map(({ bucket, rows, expectedMs: ms }) => ({ bucket, rows, ms }));
      return { signature, maxBatch, batches, notes };
    } finally {
      await served.close();
    }
  }

  close(): void {
    clearInterval(this.#stay);
    this.#prober.close();
  }
}

function noteIn(line: string): string[] {
  const { success, data } = noteSchema.safeParse(JSON.parse(line));
  if (!success) return [];
  const about = data.reason ?? data.outputs?.join(", ");
  return [about === undefined ? data.msg : `${data.msg}: ${about}`];
}
