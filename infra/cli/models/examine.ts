/** What a version on disk is, found out by loading it. */

import { type ModelJson, readModelJson } from "../../../gpu-pool/repository/model-json.ts";
import type { ProbeReport } from "../../../gpu-pool/repository/probe/probe-messages.ts";
import { readVersion } from "../../../gpu-pool/repository/version-content.ts";
import { asWarmgateError } from "../../../shared/protocol/errors.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import { Refused } from "../admin/failure.ts";
import type { DiskVersion } from "./model-subject.ts";
import type { LoadedVersion, OfflineLoader } from "./offline-loader.ts";
import type { ShowProgress } from "./progress-line.ts";

export interface Examined {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly description: string;
  /** Paths of all that makes up the version. */
  readonly files: readonly string[];
  readonly probed: ProbeReport;
  readonly loaded: LoadedVersion;
  /** The names of the pipeline's steps; undefined without a pipeline. */
  readonly steps: { readonly before: readonly string[]; readonly after: readonly string[] } | undefined;
}

/**
 * @param progress told how far it is
 * @throws Refused with the reason for which a pool would not serve it
 */
export async function examine(
  { model, version }: DiskVersion,
  loader: OfflineLoader,
  progress: ShowProgress | undefined,
): Promise<Examined> {
  const { name, modelJson } = model;
  const files = model.versions.get(version);
  if (!files) throw new TypeError(`there is no version ${version}`);
  const about = (stage: string) => progress?.(`${name} version ${version}: ${stage}`);
  try {
    about("reading its files");
    const settings = await readModelJson(modelJson);
    const digest = await readVersion(files, modelJson);
    const artefact = { name, version, digest, ...files, settings };
    about("loading it in a process of its own");
    const probed = await loader.probe(artefact);
    about("warming it up");
    const loaded = await loader.load(artefact, probed);
    const { description } = settings;
    return { name, version, digest, description, files: files.files, probed, loaded, steps: stepsOf(settings) };
  } catch (error) {
    const { message, code } = asWarmgateError(error);
    const advice = "warmgate models validate lists everything that is wrong with it.";
    throw new Refused(`${name} version ${version}: ${message}`, code, undefined, advice);
  } finally {
    progress?.(undefined);
  }
}

/** What the model itself takes and gives, where callers speak to a pipeline. */
export function ownSignature({ probed, steps }: Examined): ModelSignature | undefined {
  return steps && probed.signature;
}

function stepsOf({ pipeline }: ModelJson): Examined["steps"] {
  const names = (steps: readonly { readonly step: string }[]) => steps.map(({ step }) => step);
  return pipeline && { before: names(pipeline.before), after: names(pipeline.after) };
}
