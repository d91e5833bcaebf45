/** Everything for which a pool would not serve a version; what depends on something that is wrong is not tried. */

import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Pipeline } from "../../../gpu-pool/pipeline/pipeline.ts";
import { readPipelineFiles } from "../../../gpu-pool/pipeline/pipeline-files.ts";
import type { ModelJson } from "../../../gpu-pool/repository/model-json.ts";
import { readVersion } from "../../../gpu-pool/repository/version-content.ts";
import { asWarmgateError } from "../../../shared/protocol/errors.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import { externalDataFaults, manifestFaults } from "./content-faults.ts";
import { ensembleOf, planOnDisk } from "./ensemble-on-disk.ts";
import { type Fault, reasonsIn } from "./fault.ts";
import type { DiskVersion } from "./model-subject.ts";
import type { OfflineLoader } from "./offline-loader.ts";
import type { ShowProgress } from "./progress-line.ts";

type Reason = Pick<Fault, "check" | "reason">;
type PipelineJson = NonNullable<ModelJson["pipeline"]>;

export interface Validation {
  readonly loader: OfflineLoader;
  readonly progress: ShowProgress | undefined;
}

/**
 * @param settings of the model's model.json; `usable` says whether they are its own, or the usual ones as it is not valid
 */
export async function versionFaults(
  { model, version }: DiskVersion,
  settings: { readonly values: ModelJson; readonly usable: boolean },
  { loader, progress }: Validation,
): Promise<readonly Fault[]> {
  const { name } = model;
  const files = model.versions.get(version);
  if (!files) return [];
  const reasons: Reason[] = [];
  const add = (check: Fault["check"], found: readonly string[]) =>
    reasons.push(...found.map((reason) => ({ check, reason })));
  const about = (stage: string) => progress?.(`${name} version ${version}: ${stage}`);

  about("reading its files");
  add("manifest", await manifestFaults(files));
  const external = await externalDataFaults(files);
  add("external data", external);
  const { pipeline } = settings.values;
  // Without the manifest, which has been looked at; what cannot be read is told from other versions by its path.
  const { modelFile } = files;
  const digest = await readVersion({ modelFile, files: files.files }, model.modelJson).catch(() => modelFile);
  const artefact = { name, version, digest, ...files, settings: settings.values };
  const probed = external.length > 0 ? undefined : await tried("probe", add, () => loader.probe(artefact), about);
  if (!probed) {
    if (pipeline) add("pipeline", await reasonsOf(() => readPipelineFiles(pipeline, files.files)));
  } else if (settings.usable) {
    const unfit = pipeline ? await pipelineReasons(pipeline, files.files, probed.signature) : [];
    add("pipeline", unfit);
    if (unfit.length === 0) await tried("load", add, () => loader.load(artefact, probed), about);
  }
  return reasons.map((reason) => ({ model: name, version, ...reason }));
}

/** Everything for which a pool that has these folders would not serve an ensemble. */
export async function ensembleFaults(
  found: DiskVersion,
  folders: readonly string[],
  { loader, progress }: Validation,
): Promise<readonly Fault[]> {
  const { model, version } = found;
  const { name, modelJson = "" } = model;
  const beside = dirname(dirname(modelJson));
  const reasons = await reasonsOf(async () => {
    const source = await ensembleOf(found);
    if (source) await planOnDisk(source, [beside, ...(await foldersOf(folders))], loader, progress);
  });
  return reasons.map((reason) => ({ model: name, version, check: "ensemble", reason }));
}

/** Of what was named, that which is a folder. */
async function foldersOf(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) if ((await stat(path)).isDirectory()) found.push(path);
  return found;
}

async function tried<T>(
  check: "probe" | "load",
  add: (check: Fault["check"], reasons: readonly string[]) => void,
  trial: () => Promise<T>,
  about: (stage: string) => void,
): Promise<T | undefined> {
  about(check === "probe" ? "loading it in a process of its own" : "warming it up");
  try {
    return await trial();
  } catch (error) {
    add(check, reasonsIn(asWarmgateError(error).message));
    return undefined;
  }
}

/** As it is planned for the warm-up requests; without what comes after a model whose outputs' ranks only a run tells. */
function pipelineReasons(pipeline: PipelineJson, files: readonly string[], model: ModelSignature) {
  const after = model.outputs.every(({ shape }) => shape.length > 0) ? pipeline.after : [];
  return reasonsOf(() => Pipeline.load({ ...pipeline, after }, files, model, false));
}

async function reasonsOf(check: () => Promise<unknown>): Promise<readonly string[]> {
  try {
    await check();
    return [];
  } catch (error) {
    return reasonsIn(asWarmgateError(error).message);
  }
}
