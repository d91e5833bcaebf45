/** Files beside a model that its pipeline reads. They lie in the version's folder, so they are part of its digest. */
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { PipelineJson } from "./pipeline-schema.ts";

/** Vocabularies of multilingual models have 5 MB. */
const MOST_BYTES = 16 * 1024 ** 2;

/** The files that a pipeline names, labels and vocabularies, each once. */
export function pipelineFileNames({ before, after }: PipelineJson): string[] {
  const names = [...before, ...after].flatMap((settings) => {
    if (settings.step === "tokenise") return [settings.vocab];
    const labels = settings.step === "topK" || settings.step === "argmax" ? settings.labels : undefined;
    return typeof labels === "string" ? [labels] : [];
  });
  return [...new Set(names)];
}

/**
 * @param versionFiles the paths of all files of the model's version
 * @returns name -> text
 * @throws WarmgateError `model_rejected` naming every file that is missing, too large or not UTF-8
 */
export async function readPipelineFiles(
  json: PipelineJson,
  versionFiles: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const faults: string[] = [];
  for (const name of pipelineFileNames(json)) {
    const path = versionFiles.find((file) => basename(file) === name);
    const text = path === undefined ? undefined : await readText(path);
    if (text !== undefined) texts.set(name, text);
    else if (!path) faults.push(`${name} is not in the version's folder`);
    else faults.push(`${name} is no text in UTF-8 of at most ${MOST_BYTES} bytes`);
  }
  if (faults.length === 0) return texts;
  throw new WarmgateError("model_rejected", `the pipeline of model.json lacks files: ${faults.join("; ")}`);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).size > MOST_BYTES) return undefined;
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch {
    return undefined;
  }
}
