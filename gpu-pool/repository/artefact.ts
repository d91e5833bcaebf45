import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";

/**
 * Names a version by its content: SHA-256 over every file's name and bytes, each preceded by its length, so that no
 * two sets of files share a digest. Hex.
 */
export async function artefactDigest(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    const name = basename(file);
    const content = createHash("sha256");
    for await (const chunk of createReadStream(file)) content.update(chunk);
    hash.update(`${name.length}:${name}:`).update(content.digest());
  }
  return hash.digest("hex");
}
