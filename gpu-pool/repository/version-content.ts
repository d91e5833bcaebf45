/** What a version's files hold, and whether they are still what they were. */
import { stat } from "node:fs/promises";
import { digestOf, readContent } from "./artefact.ts";
import type { VersionFiles } from "./layout.ts";
import { checkContents, checkSizes, readVersionManifest } from "./version-manifest.ts";

/**
 * Reads a version's files, checks them against its manifest if it has one, and names the version by them.
 *
 * @returns SHA-256 over the files and the model's settings, in hex
 * @throws WarmgateError `model_rejected` when they are not as the manifest says; Error when they cannot be read
 */
export async function readVersion({ files, manifest }: VersionFiles, modelJson: string | undefined): Promise<string> {
  const listed = manifest === undefined ? undefined : await readVersionManifest(manifest);
  if (listed) await checkSizes(listed, files);
  const contents = [];
  for (const file of files) contents.push(await readContent(file));
  if (listed) checkContents(listed, contents);
  return digestOf(modelJson === undefined ? contents : [...contents, await readContent(modelJson)]);
}

/**
 * Size and time of change of files, in the order in which they are given: what network file systems keep as reliably as
 * local ones, which cannot be said of inode numbers.
 *
 * @throws Error when one is not there
 */
export async function stampOf(files: readonly string[]): Promise<readonly string[]> {
  const stamps: string[] = [];
  for (const file of files) {
    const { size, mtimeMs } = await stat(file);
    stamps.push(`${file} ${size} ${mtimeMs}`);
  }
  return stamps;
}

export function sameStamp(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((stamp, index) => stamp === other[index]);
}
