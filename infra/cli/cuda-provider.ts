/** Where ONNX Runtime looks for its CUDA provider, and how it gets there from a folder. */
import { copyFile, readdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UsageError } from "./usage-error.ts";

const RUNTIME = dirname(fileURLToPath(import.meta.resolve("onnxruntime-node/package.json")));
export const CUDA_PROVIDER_FOLDER = join(RUNTIME, "bin", "napi-v6", "linux", "x64");
export const PROVIDER_FILES = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"] as const;

/** Where they are in a folder that `pip install --target` has filled. */
const IN_PYTHON_PACKAGE = join("onnxruntime", "capi");
const RUNTIME_FILE = /^libonnxruntime\.so\.(\d+\.\d+\.\d+)$/;

/** The version of ONNX Runtime that the provider must be of. */
export async function runtimeVersion(): Promise<string> {
  const content: unknown = JSON.parse(await readFile(join(RUNTIME, "package.json"), "utf8"));
  return z.looseObject({ version: z.string() }).parse(content).version;
}

/**
 * Copies the provider, each file in one step.
 *
 * @param from holds the provider's files, or the Python package `onnxruntime-gpu`
 * @param version of the ONNX Runtime in `into`: its providers are loaded into it, and one of another version crashes it
 * @throws UsageError where there is no provider, or one of another version
 */
export async function copyProvider(from: string, into: string, version: string): Promise<void> {
  const folders = [from, join(from, IN_PYTHON_PACKAGE)];
  const listings = await Promise.all(folders.map((folder) => readdir(folder).catch((): string[] => [])));
  const at = listings.findIndex((files) => PROVIDER_FILES.every((file) => files.includes(file)));
  const folder = folders[at];
  if (folder === undefined) throw new UsageError(`${from} has no ${PROVIDER_FILES.join(" and ")} in it.`);
  const found = (listings[at] ?? []).flatMap((file) => RUNTIME_FILE.exec(file)?.[1] ?? []);
  if (found.length > 0 && !found.includes(version)) {
    throw new UsageError(
      `The provider in ${folder} is of ONNX Runtime ${found.join(" and ")}; it must be of ${version}.`,
    );
  }
  for (const file of PROVIDER_FILES) {
    const part = join(into, `${file}.part`);
    await copyFile(join(folder, file), part);
    await rename(part, join(into, file));
  }
}
