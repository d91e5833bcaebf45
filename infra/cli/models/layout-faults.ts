/**
 * What a pool passes over in silence in a repository's folder, although it was probably meant to be a model
 * (`gpu-pool/repository/layout.ts` has the rules).
 */
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { namesEnsemble } from "../../../gpu-pool/repository/layout.ts";
import { isModelName, isModelVersion } from "../../../shared/protocol/model-name.ts";
import type { Fault } from "./fault.ts";

const MODEL_FILE = "model.onnx";
const NAME_RULE = "a model's name is letters, digits, ., _ and -, at most 64";

/** @throws Error when the folder cannot be read */
export async function repositoryFaults(folder: string): Promise<Fault[]> {
  const faults: Fault[] = [];
  const { folders, files } = await listing(folder);
  for (const name of folders) {
    const path = join(folder, name);
    // What cannot be read is told as the model's own fault.
    if (!(await isModelFolder(path).catch(() => false))) continue;
    if (isModelName(name)) faults.push(...(await modelFolderFaults(path)));
    else faults.push(fault(name, undefined, `it is passed over: ${NAME_RULE}`));
  }
  for (const file of files.filter((name) => name.endsWith(".onnx"))) {
    const name = basename(file, ".onnx");
    if (!isModelName(name)) faults.push(fault(name, undefined, `${file} is passed over: ${NAME_RULE}`));
    else if (folders.includes(name))
      faults.push(fault(name, undefined, `${file} is passed over: there is a folder ${name}`));
  }
  return faults;
}

/** @throws Error when the folder cannot be read */
export async function modelFolderFaults(folder: string): Promise<Fault[]> {
  const name = basename(folder);
  const faults: Fault[] = [];
  const { folders, files } = await listing(folder);
  const isEnsemble = files.includes("model.json") && (await namesEnsemble(join(folder, "model.json")));
  for (const version of folders) {
    const hasModel = (await listing(join(folder, version)).catch(() => undefined))?.files.includes(MODEL_FILE);
    if (isModelVersion(version) && hasModel === false && !isEnsemble) {
      faults.push(fault(name, version, `there is no ${MODEL_FILE} in it, so it is passed over`));
    } else if (!isModelVersion(version) && hasModel) {
      faults.push(fault(name, undefined, `folder ${version} is passed over: a version is a whole number from 1`));
    }
  }
  for (const file of files.filter((other) => other.endsWith(".onnx"))) {
    faults.push(fault(name, undefined, `${file} is passed over: its place is <version>/${MODEL_FILE}`));
  }
  if (!folders.some(isModelVersion) && !isEnsemble)
    faults.push(fault(name, undefined, `there is no <version>/${MODEL_FILE} in it`));
  return faults;
}

/** @throws Error when the folder cannot be read */
export async function hasModelJson(folder: string): Promise<boolean> {
  return (await listing(folder)).files.includes("model.json");
}

/** Whether somebody meant a folder to be a model's. @throws Error when it cannot be read */
async function isModelFolder(folder: string): Promise<boolean> {
  const { folders, files } = await listing(folder);
  if (files.some((file) => file === "model.json" || file.endsWith(".onnx"))) return true;
  for (const inner of folders) {
    if ((await listing(join(folder, inner)).catch(() => undefined))?.files.includes(MODEL_FILE)) return true;
  }
  return false;
}

async function listing(folder: string): Promise<{ readonly folders: string[]; readonly files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const status = name.startsWith(".") ? undefined : await stat(join(folder, name)).catch(() => undefined);
    if (status?.isDirectory()) folders.push(name);
    else if (status?.isFile()) files.push(name);
  }
  return { folders, files };
}

function fault(model: string, version: string | undefined, reason: string): Fault {
  return { model, version, check: "layout", reason };
}
