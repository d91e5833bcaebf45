/** What an ensemble on disk would be in a pool, found out by loading the models that it is made of. */
import { dirname } from "node:path";
import { ensembleDigest, type MemberDigest } from "../../../gpu-pool/ensemble/ensemble-digest.ts";
import type { EnsembleSource } from "../../../gpu-pool/ensemble/load-ensemble.ts";
import { type Member, planEnsemble } from "../../../gpu-pool/ensemble/plan-ensemble.ts";
import {
  isLaidOutAsEnsemble,
  MODEL_BESIDE_ENSEMBLE,
  namesEnsemble,
  scanRepository,
} from "../../../gpu-pool/repository/layout.ts";
import { readModelJson } from "../../../gpu-pool/repository/model-json.ts";
import { asWarmgateError, WarmgateError } from "../../../shared/protocol/errors.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import { Refused } from "../admin/failure.ts";
import { examine } from "./examine.ts";
import type { DiskVersion } from "./model-subject.ts";
import type { OfflineLoader } from "./offline-loader.ts";
import type { ShowProgress } from "./progress-line.ts";

export interface ExaminedEnsemble {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly description: string;
  readonly signature: ModelSignature;
  /** Rows that may run together; 0 when requests run alone. */
  readonly maxBatch: number;
  /** The models of its steps, in the order in which they run. */
  readonly steps: readonly MemberDigest[];
}

interface LoadedMember {
  readonly digest: string;
  readonly member: Member;
}

/**
 * @returns undefined for a version that is no ensemble
 * @throws WarmgateError `model_rejected` for a model.json that is not valid, or a model.onnx beside it
 */
export async function ensembleOf({ model, version }: DiskVersion): Promise<EnsembleSource | undefined> {
  const { name, modelJson, versions } = model;
  if (modelJson === undefined || !(await namesEnsemble(modelJson))) return undefined;
  const settings = await readModelJson(modelJson);
  const { ensemble } = settings;
  if (versions.get(version)?.modelFile !== modelJson) throw new WarmgateError("model_rejected", MODEL_BESIDE_ENSEMBLE);
  return ensemble && { name, version, settings: { ...settings, ensemble } };
}

/**
 * @returns undefined for a version that is no ensemble
 * @throws Refused with the reason for which a pool would not serve it that has nothing but its folder
 */
export async function examineEnsemble(
  found: DiskVersion,
  loader: OfflineLoader,
  progress: ShowProgress | undefined,
): Promise<ExaminedEnsemble | undefined> {
  const { name, modelJson = "" } = found.model;
  try {
    const source = await ensembleOf(found);
    return source && (await planOnDisk(source, [dirname(dirname(modelJson))], loader, progress));
  } catch (error) {
    const { message, code } = asWarmgateError(error);
    throw new Refused(`${name} version ${found.version}: ${message}`, code, undefined, undefined);
  } finally {
    progress?.(undefined);
  }
}

/**
 * @param folders where its members are looked for, the first first
 * @throws WarmgateError `model_rejected` naming everything that is wrong
 */
export async function planOnDisk(
  { name, version, settings }: EnsembleSource,
  folders: readonly string[],
  loader: OfflineLoader,
  progress: ShowProgress | undefined,
): Promise<ExaminedEnsemble> {
  const { description, deterministic, ensemble } = settings;
  const models = await scanRepository(folders);
  const members = new Map<string, LoadedMember>();
  for (const step of ensemble.steps) {
    const key = `${step.model}/${step.version}`;
    if (step.model === name || members.has(key)) continue;
    const model = models.get(step.model);
    const member = model
      ? await loadMember({ model, version: step.version }, loader, progress)
      : missing("is not there: there is no such model");
    members.set(key, member);
  }
  const lookUp = (model: string, wanted: string) => members.get(`${model}/${wanted}`) ?? missing("is not there");
  const plan = planEnsemble({ name, deterministic }, ensemble, (model, wanted) => lookUp(model, wanted).member);
  const { signature, maxBatch } = plan;
  const steps = plan.steps.map(({ model, version: of }) => ({ model, version: of, digest: lookUp(model, of).digest }));
  return { name, version, digest: ensembleDigest(settings, steps), description, signature, maxBatch, steps };
}

/** As the pool would say it. */
async function loadMember(
  { model, version }: DiskVersion,
  loader: OfflineLoader,
  progress: ShowProgress | undefined,
): Promise<LoadedMember> {
  if (isLaidOutAsEnsemble(model)) return missing("is an ensemble itself: an ensemble is made of models alone");
  if (!model.versions.has(version)) {
    return missing(`is not there: the model has versions ${[...model.versions.keys()].join(", ")}`);
  }
  try {
    const { digest, loaded } = await examine({ model, version }, loader, progress);
    const { deterministic } = await readModelJson(model.modelJson);
    const { signature, maxBatch } = loaded;
    return { digest, member: { ready: true, signature, maxBatch, deterministic } };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return missing(`is not ready: ${error.message}`);
  }
}

function missing(reason: string): LoadedMember {
  return { digest: "", member: { ready: false, reason } };
}
