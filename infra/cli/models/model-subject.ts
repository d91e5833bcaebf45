/**
 * What a command is about: a model of a pool, or one on disk.
 *
 *     digits        digits@2           of the pool: the highest version that is ready, or the one that is named
 *     ./digits      models/digits@2    a model's folder
 *     my.onnx       models/digits/2    a file alone, or a version's folder
 *     contract.json                    no model, but what callers were given (for `models diff`)
 */
import { stat } from "node:fs/promises";
import { basename, dirname, resolve, sep } from "node:path";
import { type ModelFiles, scanRepository } from "../../../gpu-pool/repository/layout.ts";
import { byNumber } from "../../../gpu-pool/repository/version-policy.ts";
import { isModelName, isModelVersion } from "../../../shared/protocol/model-name.ts";
import { modelName } from "../admin/names.ts";
import { UsageError } from "../usage-error.ts";

export type Subject =
  | { readonly at: "pool"; readonly name: string; readonly version: string | undefined }
  | { readonly at: "disk"; readonly path: string; readonly version: string | undefined }
  | { readonly at: "contract"; readonly file: string };

export interface DiskVersion {
  readonly model: ModelFiles;
  readonly version: string;
}

const MODEL_FILE = "model.onnx";
const WITH_VERSION = /^(.+)@([^@/\\]+)$/;

/** @throws UsageError */
export function parseSubject(text: string): Subject {
  if (text.endsWith(".json")) return { at: "contract", file: text };
  const [, before, version] = WITH_VERSION.exec(text) ?? [];
  if (version !== undefined && !isModelVersion(version)) {
    throw new UsageError(`'${text}': a model version is a whole number from 1, not '${version}'.`);
  }
  const named = before ?? text;
  const isPath = named.includes("/") || named.includes(sep) || named.endsWith(".onnx") || /^\.+$/.test(named);
  return isPath ? { at: "disk", path: named, version } : { at: "pool", name: modelName(named), version };
}

/**
 * Finds a model on disk as a pool would, with the one version that is meant: the highest unless one is named.
 *
 * @throws UsageError when it is not there
 */
export async function findOnDisk(path: string, version?: string): Promise<DiskVersion> {
  const place = resolve(path);
  const [folder, last] = [dirname(place), basename(place)];
  const status = await stat(place).catch(() => undefined);
  if (!status) throw new UsageError(`There is no file or folder ${path}. A model of the pool is named without a path.`);
  if (status.isFile()) {
    if (last === MODEL_FILE && isVersionFolder(folder)) return findOnDisk(folder, version);
    if (!last.endsWith(".onnx")) throw new UsageError(`${path} is no .onnx file.`);
    return chosen(fileAlone(place), path, version);
  }
  if (isVersionFolder(place) && (await stat(`${place}/${MODEL_FILE}`).catch(() => undefined))) {
    if (version !== undefined && version !== last) throw new UsageError(`${path} is version ${last}, not ${version}.`);
    return findOnDisk(folder, last);
  }
  const model = await modelFolder(place);
  if (!model) throw new UsageError(`${path} is no model's folder: there is no <version>/${MODEL_FILE} in it.`);
  return chosen(model, path, version);
}

/** The model that a folder holds; undefined when it holds none. */
export async function modelFolder(path: string): Promise<ModelFiles | undefined> {
  const place = resolve(path);
  return (await scanRepository([dirname(place)])).get(basename(place));
}

/** Whatever it is called: only a pool needs a name for it. */
export function fileAlone(file: string): ModelFiles {
  const name = basename(file, ".onnx");
  return {
    name: isModelName(name) ? name : "model",
    modelJson: undefined,
    versions: new Map([["1", { modelFile: file, files: [file] }]]),
  };
}

function isVersionFolder(path: string): boolean {
  return isModelVersion(basename(path)) && isModelName(basename(dirname(path)));
}

function chosen(model: ModelFiles, path: string, wanted: string | undefined): DiskVersion {
  if (model.fault !== undefined) throw new UsageError(`${path}: ${model.fault}.`);
  const there = [...model.versions.keys()].sort(byNumber);
  const version = wanted ?? there.at(-1) ?? "";
  if (model.versions.has(version)) return { model, version };
  throw new UsageError(`${path} has no version ${version}; there are ${there.join(", ")}.`);
}
