/**
 * Downloads one file, and goes on where a broken download ended (RFC 9110: Range 14.2, If-Range 13.1.5, Content-Range 14.4).
 *
 * Promises: what is at `target` when it returns has the size and the SHA-256 that were asked for, and is on the disk; never
 * more than `size` bytes are written; a part is added to only when the server says by its entity tag that the rest is of the
 * same file. What cannot be proven to be so is fetched anew.
 */
import { inCache } from "./cache-failure.ts";
import type { RemoteFile } from "./catalogue.ts";
import { PartialFile } from "./partial-file.ts";
import type { RemoteStore } from "./remote-store.ts";
import { type RetryPolicy, retrying } from "./retry.ts";
import type { Answer } from "./source-connection.ts";
import { SourceError } from "./source-error.ts";

const OK = 200;
const PARTIAL_CONTENT = 206;
const RANGE_NOT_SATISFIABLE = 416;

export interface DownloadOptions {
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
  /** Called with the number of bytes each time that some are there, or below 0 when as many are given up. */
  readonly received: (bytes: number) => void;
}

/**
 * @param target where the file is put together
 * @returns its SHA-256 in hex
 * @throws SourceError; what is there of the file is kept unless it was wrong
 */
export async function downloadFile(
  store: RemoteStore,
  file: RemoteFile,
  target: string,
  options: DownloadOptions,
): Promise<string> {
  const partial = await inCache(() => PartialFile.open(target, file));
  try {
    options.received(partial.length);
    const fetched = await retrying(options.retry, options.signal, () => fetchRest(store, file, partial, options));
    if (isExpected(fetched.digest, file)) return fetched.digest;
    await startOver(partial, options);
    if (!fetched.wasResumed) throw wrongDigest(file, fetched.digest);
    // The first part may have been another file's: a server that gives two files one entity tag is not unheard of.
    const anew = await retrying(options.retry, options.signal, () => fetchRest(store, file, partial, options));
    if (isExpected(anew.digest, file)) return anew.digest;
    await startOver(partial, options);
    throw wrongDigest(file, anew.digest);
  } finally {
    await partial.close();
  }
}

interface Fetched {
  readonly digest: string;
  readonly wasResumed: boolean;
}

async function fetchRest(
  store: RemoteStore,
  file: RemoteFile,
  partial: PartialFile,
  options: DownloadOptions,
): Promise<Fetched> {
  const { signal } = options;
  if (partial.length > 0 && partial.validator === undefined) await startOver(partial, options);
  let wasResumed = partial.length > 0;
  if (partial.length < file.size || file.size === 0) {
    let answer = await request(store, file, partial, signal);
    if (
      answer.status === RANGE_NOT_SATISFIABLE ||
      (answer.status === PARTIAL_CONTENT && !isTheRest(answer, file, partial))
    ) {
      discard(answer);
      await startOver(partial, options);
      answer = await request(store, file, partial, signal);
    }
    wasResumed = answer.status === PARTIAL_CONTENT;
    try {
      await take(store, answer, file, partial, options);
    } finally {
      discard(answer);
    }
  }
  return { digest: await inCache(() => partial.finish()), wasResumed };
}

async function request(
  store: RemoteStore,
  file: RemoteFile,
  partial: PartialFile,
  signal: AbortSignal,
): Promise<Answer> {
  const { length, validator } = partial;
  // The object that was listed and no later one, whose size may be the same.
  const same: Record<string, string> = file.etag === undefined ? {} : { "if-match": file.etag };
  if (length === 0 || validator === undefined) return store.get(file.path, same, [OK], signal);
  const rest = { ...same, range: `bytes=${length}-`, "if-range": validator };
  return store.get(file.path, rest, [OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE], signal);
}

/** Writes an answer's body behind what is there, or in the place of it where the server sends the file from its start. */
async function take(
  store: RemoteStore,
  answer: Answer,
  file: RemoteFile,
  partial: PartialFile,
  options: DownloadOptions,
): Promise<void> {
  const { "content-length": declared, "content-encoding": coding, etag } = answer.headers;
  if (coding !== undefined && coding !== "identity") {
    throw new SourceError("refused", `${file.path} came compressed (${String(coding)}), which was not asked for`);
  }
  if (answer.status === OK) {
    await startOver(partial, options);
    await inCache(() => partial.begin(typeof etag === "string" && etag.startsWith('"') ? etag : undefined));
  }
  const missing = file.size - partial.length;
  if (typeof declared === "string" && Number(declared) !== missing) {
    throw wrongSize(file, partial.length + Number(declared));
  }
  try {
    for await (const chunk of answer.body) {
      if (!Buffer.isBuffer(chunk)) continue;
      if (partial.length + chunk.length > file.size) throw wrongSize(file, partial.length + chunk.length, "or more");
      await inCache(() => partial.append(chunk));
      options.received(chunk.length);
    }
  } catch (error) {
    throw store.connection.failure(error, options.signal);
  }
  // Without a declared length an end that came too early looks like any other.
  if (partial.length < file.size) {
    throw new SourceError("unreachable", `${file.path} ended after ${partial.length} of ${file.size} bytes`);
  }
}

async function startOver(partial: PartialFile, { received }: DownloadOptions): Promise<void> {
  received(-partial.length);
  await inCache(() => partial.restart());
}

/** Whether a 206 is what was asked for: the bytes from the end of the part to the end of the file. */
function isTheRest({ headers }: Answer, file: RemoteFile, partial: PartialFile): boolean {
  return headers["content-range"] === `bytes ${partial.length}-${file.size - 1}/${file.size}`;
}

function isExpected(digest: string, { sha256 }: RemoteFile): boolean {
  return sha256 === undefined || digest === sha256;
}

/** Ends an answer of which no more is wanted; its connection is given up when more was to come. */
function discard({ body }: Answer): void {
  body.destroy();
}

function wrongSize(file: RemoteFile, size: number, more = ""): SourceError {
  return new SourceError("size_mismatch", `${file.path} has ${size} bytes${more && ` ${more}`}, not ${file.size}`);
}

function wrongDigest(file: RemoteFile, digest: string): SourceError {
  return new SourceError("digest_mismatch", `${file.path} has the SHA-256 ${digest}, not ${file.sha256}`);
}
