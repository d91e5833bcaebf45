import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { ModelSignature } from "../../shared/protocol/tensor.ts";
import { type EnsembleSource, type LookUp, loadEnsemble } from "../ensemble/load-ensemble.ts";
import type { ServedEnsemble } from "../ensemble/served-ensemble.ts";
import type { ModelInstance } from "../runtime/model-instance.ts";
import { type PredictionScheduler, ServedModel } from "../runtime/served-model.ts";
import { DeviceScheduler } from "../scheduler/device-scheduler.ts";
import { realClock } from "../scheduler/real-clock.ts";
import type { Artefact } from "./model-repository.ts";

const metrics = { answered: () => undefined, waited: () => undefined, ran: () => undefined };

/** A loader for tests of what loads are asked for, and when; its models do not run. */
export class ScriptedLoader {
  /** What it has been asked for and what became of it, in order. */
  readonly events: string[] = [];
  /** Contents of model files that do not load. */
  readonly broken = new Set(["broken"]);
  /** What the next loads wait for. */
  gate: Promise<void> = Promise.resolve();
  crash: ((reason: string) => void) | undefined;
  /** What its models take and give. */
  signature: ModelSignature = { inputs: [], outputs: [] };
  /** Called while an artefact is being loaded. */
  meanwhile: (() => void) | undefined;
  readonly #contentOf: (file: string) => string;

  constructor(contentOf: (file: string) => string) {
    this.#contentOf = contentOf;
  }

  loadEnsemble(source: EnsembleSource, lookUp: LookUp): ServedEnsemble {
    return loadEnsemble(source, lookUp, () => metrics);
  }

  async load(artefact: Artefact, onCrash: (reason: string) => void): Promise<ServedModel> {
    const content = this.#contentOf(artefact.modelFile);
    const what = `${artefact.name}/${artefact.version}=${content}`;
    this.events.push(`load ${what}`);
    await this.gate;
    this.meanwhile?.();
    if (this.broken.has(content)) throw new WarmgateError("model_rejected", `${content} does not load`);
    this.crash = onCrash;
    const instance: Pick<ModelInstance, "signature" | "run" | "close"> = {
      signature: { ...this.signature, omittedOutputs: [] },
      run: () => Promise.reject(new Error("scripted models do not run")),
      close: async () => void this.events.push(`close ${what}`),
    };
    const { name, version, digest } = artefact;
    const identity = { name, version, digest, description: content, deterministic: false, provider: "cpu" };
    const policy = { maxDelayMs: 0, padBatches: false, refuseNonFinite: false, padding: undefined };
    const scheduler: PredictionScheduler = new DeviceScheduler(realClock, {
      slots: 1,
      maxQueueMs: 1,
      maxQueueItems: 1,
      maxQueueBytes: 1,
      overloadedWaitMs: 1,
      weightOf: () => 1,
      random: () => 0,
      epochMs: () => 0,
    });
    const warmUp = { maxBatch: 0, outputs: this.signature.outputs, timings: [] };
    return new ServedModel(identity, [instance as ModelInstance], warmUp, policy, metrics, scheduler);
  }
}
