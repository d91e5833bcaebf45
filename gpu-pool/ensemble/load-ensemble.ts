import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { ServedModel } from "../runtime/served-model.ts";
import type { ModelMetrics } from "../telemetry/model-metrics.ts";
import { type EnsembleSettings, ensembleDigest } from "./ensemble-digest.ts";
import { planEnsemble } from "./plan-ensemble.ts";
import { ServedEnsemble } from "./served-ensemble.ts";

/** What an ensemble is made of, as it is on disk. */
export interface EnsembleSource {
  readonly name: string;
  readonly version: string;
  readonly settings: EnsembleSettings;
}

/** A version that is ready, or why there is none, to go on behind its name: "is not ready: unloaded". */
export type LookUp = (model: string, version: string) => ServedModel | string;

/** Whether one of its steps is a version of that model. */
export function uses({ settings }: EnsembleSource, model: string, version: string): boolean {
  return settings.ensemble.steps.some((step) => step.model === model && step.version === version);
}

/**
 * Plans an ensemble with the models that are ready now; nothing is loaded or run.
 *
 * @throws WarmgateError `model_rejected` naming everything that is wrong
 */
export function loadEnsemble(
  { name, version, settings }: EnsembleSource,
  lookUp: LookUp,
  metricsOf: (model: string, version: string) => ModelMetrics,
): ServedEnsemble {
  const { description, deterministic, ensemble } = settings;
  const plan = planEnsemble({ name, deterministic }, ensemble, (model, wanted) => {
    const found = lookUp(model, wanted);
    if (typeof found === "string") return { ready: false, reason: found };
    const { signature, maxBatch, identity } = found;
    return { ready: true, signature, maxBatch, deterministic: identity.deterministic };
  });
  const steps = plan.steps.map((step) => {
    const member = lookUp(step.model, step.version);
    if (typeof member === "string") throw new WarmgateError("model_rejected", `${step.model} ${member}`);
    return { ...step, member };
  });
  const members = steps.map(({ member }) => member.identity);
  const digest = ensembleDigest(
    settings,
    members.map(({ name: model, version, digest }) => ({ model, version, digest })),
  );
  // One process has one device, and its models one provider.
  const provider = members[0]?.provider ?? "";
  const identity = { name, version, digest, description, deterministic, provider };
  return new ServedEnsemble(identity, { ...plan, steps }, metricsOf(name, version));
}
