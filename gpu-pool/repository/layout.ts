/**
 * What a model repository on disk looks like:
 *
 *     <folder>/<model>/<version>/model.onnx     as in Triton; versions are whole numbers from 1
 *     <folder>/<model>/<version>/manifest.json  optional, see `version-manifest.ts`
 *     <folder>/<model>/model.json               optional, for all versions of the model
 *     <folder>/<model>/<version>/               nothing else where model.json names an ensemble; without such folders,
 *                                               an ensemble is version 1
 *     <folder>/<model>.onnx                     a file alone is version 1 of the model it is named for
 *
 * Everything else is passed over. Names come from `readdir` and are matched against the strict pattern, so no name in
 * a URL is ever joined into a path.
 *
 * What is not there is told from what cannot be read: a network mount that fails must not look like an empty one.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isModelName, isModelVersion } from "../../shared/protocol/model-name.ts";
import { isEnsemble } from "./model-json.ts";

const MANIFEST = "manifest.json";

export interface VersionFiles {
  /** `model.onnx`; of an ensemble, which has none, the `model.json` that names its steps. */
  readonly modelFile: string;
  /** Every file that makes up the version, `model.onnx` and external data, in a stable order. */
  readonly files: readonly string[];
  /** What says how they should be, where it is there. */
  readonly manifest?: string;
}

export interface ModelFiles {
  readonly name: string;
  readonly modelJson: string | undefined;
  readonly versions: ReadonlyMap<string, VersionFiles>;
  /** Why its folder cannot be read now, if it cannot; then nothing is known of its versions. */
  readonly fault?: string;
}

/**
 * Finds the models in a repository's folders; a name in a later folder is passed over when an earlier one has it.
 *
 * @throws Error when a folder cannot be read
 */
export async function scanRepository(folders: readonly string[]): Promise<ReadonlyMap<string, ModelFiles>> {
  const models = new Map<string, ModelFiles>();
  for (const folder of folders) {
    for (const entry of (await readdir(folder)).sort()) {
      const model = await scanEntry(folder, entry).catch((error: unknown) => unreadable(entry, error));
      if (model && isModelName(model.name) && !models.has(model.name)) models.set(model.name, model);
    }
  }
  return models;
}

/** @throws Error when it is there and cannot be read */
async function scanEntry(folder: string, entry: string): Promise<ModelFiles | undefined> {
  const path = join(folder, entry);
  const status = await orAbsent(stat(path));
  const isFolder = status?.isDirectory() ?? false;
  const name = isFolder ? entry : entry.endsWith(".onnx") ? entry.slice(0, -".onnx".length) : "";
  // A dangling link, and what vanished meanwhile, is no model.
  if (!status || !isModelName(name)) return undefined;
  const model = isFolder ? await scanModel(name, path) : alone(name, path);
  return model.versions.size > 0 || model.fault !== undefined ? model : undefined;
}

function alone(name: string, path: string): ModelFiles {
  return { name, modelJson: undefined, versions: new Map([["1", { modelFile: path, files: [path] }]]) };
}

function unreadable(entry: string, error: unknown): ModelFiles {
  const fault = `its folder cannot be read (${codeOf(error) ?? "unknown"})`;
  return { name: entry.replace(/\.onnx$/, ""), modelJson: undefined, versions: new Map(), fault };
}

async function scanModel(name: string, folder: string): Promise<ModelFiles> {
  const entries = (await orAbsent(readdir(folder))) ?? [];
  const versions = new Map<string, VersionFiles>();
  const withoutModel: string[] = [];
  for (const version of entries.filter((entry) => isModelVersion(entry))) {
    const versionFolder = join(folder, version);
    const files = await filesIn(versionFolder);
    const modelFile = join(versionFolder, "model.onnx");
    if (!files.includes(modelFile)) {
      withoutModel.push(version);
      continue;
    }
    const manifest = join(versionFolder, MANIFEST);
    // It is about the version and not a part of it: the same files have the same digest with and without it.
    versions.set(version, {
      modelFile,
      files: files.filter((file) => file !== manifest),
      ...(files.includes(manifest) ? { manifest } : {}),
    });
  }
  const modelJson = entries.includes("model.json") ? join(folder, "model.json") : undefined;
  if (modelJson === undefined || (versions.size > 0 && withoutModel.length === 0)) return { name, modelJson, versions };
  const content = await jsonOf(modelJson);
  // It may be that of an ensemble which serves, half written.
  if (content === undefined && versions.size === 0) return { name, modelJson, versions, fault: UNREADABLE };
  if (!isEnsemble(content)) return { name, modelJson, versions };
  const named = versions.size + withoutModel.length > 0 ? withoutModel : ["1"];
  for (const version of named) versions.set(version, { modelFile: modelJson, files: [] });
  return { name, modelJson, versions };
}

/** Whether a model is an ensemble of others, as far as its layout tells. */
export function isLaidOutAsEnsemble({ modelJson, versions }: ModelFiles): boolean {
  return [...versions.values()].some(({ modelFile }) => modelFile === modelJson);
}

/** Whether a `model.json` names an ensemble, valid or not. */
export async function namesEnsemble(modelJson: string): Promise<boolean> {
  return isEnsemble(await jsonOf(modelJson));
}

export const MODEL_BESIDE_ENSEMBLE = "model.json names an ensemble, but there is a model.onnx";
const UNREADABLE = "there is no model.onnx, and model.json, which might name an ensemble, cannot be read as JSON";

async function jsonOf(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Regular files and links to them: a mounted volume has links to folders as well, and a pipe would never be read to its end. */
async function filesIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of ((await orAbsent(readdir(folder))) ?? []).sort()) {
    const path = join(folder, name);
    if ((await orAbsent(stat(path)))?.isFile()) files.push(path);
  }
  return files;
}

/** What is not there, as far as the names of a repository go. */
const ABSENT: readonly unknown[] = ["ENOENT", "ENOTDIR", "ELOOP"];

async function orAbsent<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (ABSENT.includes(codeOf(error))) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
