import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import type { RemoteFile } from "./catalogue.ts";
import { SourceError } from "./source-error.ts";

/** What a partial file is a part of, kept beside it: another process may go on with it. */
const originSchema = z.strictObject({
  size: z.int().min(0),
  sha256: z.string().nullable(),
  etag: z.string().nullable(),
  /** Strong entity tag of the answer that the bytes are from; without one they cannot be added to. */
  validator: z.string().nullable(),
});

/** A file that is being downloaded, with the hash of what is there of it. */
export class PartialFile {
  readonly path: string;
  readonly #file: RemoteFile;
  #handle: FileHandle | undefined;
  #hash: Hash = createHash("sha256");
  #length = 0;
  #validator: string | undefined;

  private constructor(path: string, file: RemoteFile) {
    this.path = path;
    this.#file = file;
  }

  /** Takes up what is there of this very file, or begins anew. */
  static async open(path: string, file: RemoteFile): Promise<PartialFile> {
    const partial = new PartialFile(path, file);
    await mkdir(dirname(path), { recursive: true });
    // Appending throughout: a file that was emptied is then written from its start.
    partial.#handle = await open(path, "a");
    const validator = await readValidator(originOf(path), file);
    if (validator === undefined) {
      await partial.restart();
      return partial;
    }
    partial.#validator = validator;
    for await (const chunk of createReadStream(path)) partial.#took(chunk);
    if (partial.#length > file.size) await partial.restart();
    return partial;
  }

  /** Bytes that are there. */
  get length(): number {
    return this.#length;
  }

  /** What the server must still have for these bytes to be its file's; undefined: they have to be fetched anew. */
  get validator(): string | undefined {
    return this.#validator;
  }

  /** Empties it. */
  async restart(): Promise<void> {
    await this.#handle?.truncate(0);
    this.#hash = createHash("sha256");
    this.#length = 0;
    this.#validator = undefined;
    await rm(originOf(this.path), { force: true });
  }

  /** Notes what the bytes that follow are from. To be called while it is empty. */
  async begin(validator: string | undefined): Promise<void> {
    this.#validator = validator;
    if (validator === undefined) return;
    const { size, sha256 = null, etag = null } = this.#file;
    const origin: z.infer<typeof originSchema> = { size, sha256, etag, validator };
    await writeFile(originOf(this.path), JSON.stringify(origin));
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let written = 0; written < chunk.length; ) {
      written += (await this.#handle?.write(chunk, written))?.bytesWritten ?? chunk.length;
    }
    this.#took(chunk);
  }

  /**
   * Brings it to the disk.
   *
   * @returns its SHA-256 in hex
   * @throws SourceError `cache_unusable` when there is another number of bytes than was written
   */
  async finish(): Promise<string> {
    await this.#handle?.sync();
    const size = (await this.#handle?.stat())?.size;
    if (size !== this.#length) {
      throw new SourceError(
        "cache_unusable",
        `a file of the cache has ${size} bytes where ${this.#length} were written`,
      );
    }
    return this.#hash.copy().digest("hex");
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  #took(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#length += chunk.length;
  }
}

/** Where the note of what a partial file is a part of is kept. */
export function originOf(path: string): string {
  return `${path}.origin`;
}

/** The validator of a partial file, if it is a part of this very file. */
async function readValidator(path: string, { size, sha256, etag }: RemoteFile): Promise<string | undefined> {
  try {
    const origin = originSchema.parse(JSON.parse(await readFile(path, "utf8")));
    const isSame = origin.size === size && origin.sha256 === (sha256 ?? null) && origin.etag === (etag ?? null);
    return isSame ? (origin.validator ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}
