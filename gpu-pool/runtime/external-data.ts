import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, posix, relative, sep } from "node:path";
import type { ExternalReference } from "./onnx-file.ts";

/**
 * Holds a model's references to other files against the files that make up its version. A model is somebody's upload:
 * what it may read is what was uploaded with it, or it could hand out the server's files as its answers. Links are
 * followed before it is judged.
 *
 * @param dataFiles names of the files beside the model that belong to its version; undefined: all that are there
 * @throws Error in plain words, without paths
 */
export async function checkExternalData(
  modelFile: string,
  references: readonly ExternalReference[],
  dataFiles?: readonly string[],
): Promise<void> {
  if (references.length === 0) return;
  const given = dirname(modelFile);
  const folder = await realpath(given);
  const allowed = dataFiles ?? (await readdir(folder));
  const checked = new Set<string>();
  for (const { tensor, location } of references) {
    if (checked.has(location)) continue;
    checked.add(location);
    const name = posix.normalize(location);
    if (name.startsWith("..") || posix.isAbsolute(name) || /^[A-Za-z]:|\\/.test(name)) throw outside(tensor);
    if (!allowed.includes(name)) {
      throw new Error(`tensor '${tensor}' is in a file that is not beside the model in its version's folder`);
    }
    const file = await realpath(join(given, name));
    const within = relative(folder, file);
    if (within === ".." || within.startsWith(`..${sep}`)) throw outside(tensor);
    if (!(await stat(file)).isFile()) throw new Error(`the data of tensor '${tensor}' is not in a regular file`);
  }
}

function outside(tensor: string): Error {
  return new Error(`tensor '${tensor}' is in a file outside the version's folder, which a model may not read`);
}
