/**
 * What a model repository on disk looks like:
 *
 *     <folder>/<model>/<version>/model.onnx     as in Triton; versions are whole numbers from 1
 *     <folder>/<model>/model.json               optional, for all versions of the model
 *     <folder>/<model>.onnx                     a file alone is version 1 of the model it is named for
 *
 * Everything else is passed over. Names come from `readdir` and are matched against the strict pattern, so no name in
 * a URL is ever joined into a path.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isModelName, isModelVersion } from "../../shared/protocol/model-name.ts";

export interface VersionFiles {
  readonly modelFile: string;
  /** Every file that makes up the version, `model.onnx` and external data, in a stable order. */
  readonly files: readonly string[];
}

export interface ModelFiles {
  readonly name: string;
  readonly modelJson: string | undefined;
  readonly versions: ReadonlyMap<string, VersionFiles>;
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
      const path = join(folder, entry);
      // A dangling link or a file that vanished meanwhile is no model.
      const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
      const name = isFolder ? entry : entry.endsWith(".onnx") ? entry.slice(0, -".onnx".length) : "";
      if (!isModelName(name) || models.has(name)) continue;
      const model = isFolder ? await scanModel(name, path) : alone(name, path);
      if (model.versions.size > 0) models.set(name, model);
    }
  }
  return models;
}

function alone(name: string, path: string): ModelFiles {
  return { name, modelJson: undefined, versions: new Map([["1", { modelFile: path, files: [path] }]]) };
}

async function scanModel(name: string, folder: string): Promise<ModelFiles> {
  const entries = await readdir(folder, { withFileTypes: true });
  const versions = new Map<string, VersionFiles>();
  for (const entry of entries) {
    if (!isModelVersion(entry.name)) continue;
    const versionFolder = join(folder, entry.name);
    const files = await filesIn(versionFolder);
    const modelFile = join(versionFolder, "model.onnx");
    if (files.includes(modelFile)) versions.set(entry.name, { modelFile, files });
  }
  const modelJson = entries.some((entry) => entry.name === "model.json") ? join(folder, "model.json") : undefined;
  return { name, modelJson, versions };
}

/** Regular files and links to them: a mounted volume has links to folders as well, and a pipe would never be read to its end. */
async function filesIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    const path = join(folder, name);
    if ((await stat(path).catch(() => undefined))?.isFile()) files.push(path);
  }
  return files;
}
