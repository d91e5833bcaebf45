/** What is wrong with a version's files before they are opened as a model. */
import { basename } from "node:path";
import { type FileContent, readContent } from "../../../gpu-pool/repository/artefact.ts";
import type { VersionFiles } from "../../../gpu-pool/repository/layout.ts";
import { checkContents, checkSizes, readVersionManifest } from "../../../gpu-pool/repository/version-manifest.ts";
import { checkExternalData } from "../../../gpu-pool/runtime/external-data.ts";
import { type ExternalReference, readOnnxFile } from "../../../gpu-pool/runtime/onnx-file.ts";
import { asWarmgateError } from "../../../shared/protocol/errors.ts";

/** Reasons for which a version is not what its manifest says; the pool itself stops at the first. */
export async function manifestFaults({ files, manifest }: VersionFiles): Promise<string[]> {
  if (manifest === undefined) return [];
  try {
    const listed = await readVersionManifest(manifest);
    const names = new Set([...Object.keys(listed.files), ...files.map((file) => basename(file))]);
    const faults: string[] = [];
    for (const name of names) {
      // Each file is held against its own line alone, so that every one has its say.
      const entry = Object.hasOwn(listed.files, name) ? listed.files[name] : undefined;
      const line = { files: entry ? { [name]: entry } : {} };
      const paths = files.filter((file) => basename(file) === name);
      faults.push(...(await reasonOf(() => checkFile(line, paths))));
    }
    return faults;
  } catch (error) {
    return [asWarmgateError(error).message];
  }
}

async function checkFile(line: Parameters<typeof checkSizes>[0], paths: readonly string[]): Promise<void> {
  await checkSizes(line, paths);
  const contents: FileContent[] = [];
  for (const path of paths) contents.push(await readContent(path));
  checkContents(line, contents);
}

/** Reasons for which a model may not read the other files that it refers to, each file once. */
export async function externalDataFaults({ modelFile, files }: VersionFiles): Promise<string[]> {
  const dataFiles = files.filter((file) => file !== modelFile).map((file) => basename(file));
  const faults: string[] = [];
  for (const reference of distinct(referencesOf(modelFile))) {
    faults.push(...(await reasonOf(() => checkExternalData(modelFile, [reference], dataFiles))));
  }
  return faults;
}

/** A file that is no model refers to none; that it is none, trying it tells. */
function referencesOf(modelFile: string): readonly ExternalReference[] {
  try {
    return readOnnxFile(modelFile).external;
  } catch {
    return [];
  }
}

function distinct(references: readonly ExternalReference[]): readonly ExternalReference[] {
  return [...new Map(references.map((reference) => [reference.location, reference])).values()];
}

async function reasonOf(check: () => Promise<void>): Promise<string[]> {
  try {
    await check();
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
