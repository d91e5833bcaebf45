import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";

/** A file's content, as it was when it was read. */
export interface FileContent {
  /** Without its folders. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly sha256: Uint8Array;
}

/** @throws Error when the file cannot be read */
export async function readContent(file: string): Promise<FileContent> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(file)) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { name: basename(file), size, sha256: hash.digest() };
}

/**
 * Names a version by its content: SHA-256 over every file's name and bytes, each preceded by its length, so that no
 * two sets of files share a digest. Hex.
 */
export function digestOf(contents: readonly FileContent[]): string {
  const hash = createHash("sha256");
  for (const { name, sha256 } of contents) hash.update(`${name.length}:${name}:`).update(sha256);
  return hash.digest("hex");
}
