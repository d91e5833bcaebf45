/**
 * Brings the models of an HTTP server or an S3-compatible store into a local folder that the repository loads from.
 *
 *     const source = parseModelSource("s3://models/prod?region=eu-central-1");   // or https://host/path/
 *     const { changed, failures } = await sync(source, "/var/cache/warmgate/models", { credentials, maxBytes, signal, log });
 *
 * Promises: a version is in the folder with all its files or not at all, and every file has the digest that the manifest names;
 * the folder's versions never take more than `maxBytes`; one file that cannot be brought holds up no other version; what the
 * source no longer has is removed only after a sync in which everything else went well, unless its room is needed before; nothing
 * is connected to but the configured origin, at an address that its configuration allows; no text shows a credential.
 *
 * Worst case: a source that does not answer is given up after 5 tries of at most 10 s to connect and 30 s of silence each, with
 * waits of at most 8 s between: under 4 minutes. What had come of a broken download is kept, and the next sync goes on from there.
 */
import type { Logger } from "pino";
import { CacheFolder, prepareCache } from "./cache-folder.ts";
import { lockCache } from "./cache-lock.ts";
import type { FileRecord } from "./cache-record.ts";
import { bytesOf, type Catalogue, type RemoteFile, type RemoteModel } from "./catalogue.ts";
import type { Credentials } from "./credentials.ts";
import { downloadFile } from "./download.ts";
import type { RemoteSource } from "./model-source.ts";
import { RemoteStore } from "./remote-store.ts";
import type { RetryPolicy } from "./retry.ts";
import { Slots } from "./slots.ts";
import { type ConnectionLimits, SourceConnection } from "./source-connection.ts";
import { SourceError } from "./source-error.ts";
import { planSync, type VersionName } from "./sync-plan.ts";

export interface SyncProgress {
  readonly model: string;
  /** Of all that this sync has to bring, in bytes. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface SyncOptions {
  readonly credentials: Credentials;
  /** What the versions in the folder may take together. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Called at most once for every 16 MiB, and when a version is whole. */
  readonly progress?: (progress: SyncProgress) => void;
  /** How connections and repetitions are bounded; left out: as the defaults say. */
  readonly limits?: ConnectionLimits;
  readonly retry?: RetryPolicy;
  /** For tests: how names are resolved, and what the time is for signatures. */
  readonly resolve?: ConstructorParameters<typeof SourceConnection>[3];
  readonly now?: () => Date;
}

export interface SyncFailure {
  readonly model: string;
  /** Undefined: the model's `model.json`. */
  readonly version: string | undefined;
  readonly error: SourceError;
}

export interface SyncResult {
  /** Models of which something was added, replaced or removed. */
  readonly changed: readonly string[];
  /** What could not be brought; the folder has what it had of it. */
  readonly failures: readonly SyncFailure[];
  /** Every model in the folder, with a text that differs when anything of the model does. */
  readonly held: ReadonlyMap<string, string>;
}

export const CONNECTION_LIMITS: ConnectionLimits = { connections: 2, connectMs: 10_000, idleMs: 30_000 };
export const RETRY_POLICY: RetryPolicy = { attempts: 5, firstWaitMs: 500, longestWaitMs: 8_000, random: Math.random };

const PROGRESS_BYTES = 16 * 1024 ** 2;

/**
 * @throws SourceError when nothing could be brought at all: the source does not answer, its manifest is none, the folder cannot be
 *   used; the signal's reason when it is aborted
 */
export async function sync(source: RemoteSource, folder: string, options: SyncOptions): Promise<SyncResult> {
  const { limits = CONNECTION_LIMITS, retry = RETRY_POLICY, now = () => new Date() } = options;
  await prepareCache(folder);
  const unlock = await lockCache(folder);
  try {
    const cache = await CacheFolder.open(folder, source.label);
    const connection = new SourceConnection(source.origin, source.addresses, limits, options.resolve);
    try {
      const store = new RemoteStore(source, options.credentials, connection, retry, now);
      return await new Sync(store, cache, options, new Slots(limits.connections), retry).run();
    } finally {
      await connection.close();
    }
  } finally {
    await unlock();
  }
}

class Sync {
  readonly #store: RemoteStore;
  readonly #cache: CacheFolder;
  readonly #options: SyncOptions;
  readonly #slots: Slots;
  readonly #retry: RetryPolicy;
  readonly #changed = new Set<string>();
  readonly #failures: SyncFailure[] = [];
  #totalBytes = 0;
  #receivedBytes = 0;
  #toldBytes = 0;
  /** Why the source is not asked for any more files: it has failed as often as it may for one. */
  #down: SourceError | undefined;

  constructor(store: RemoteStore, cache: CacheFolder, options: SyncOptions, slots: Slots, retry: RetryPolicy) {
    this.#store = store;
    this.#cache = cache;
    this.#options = options;
    this.#slots = slots;
    this.#retry = retry;
  }

  async run(): Promise<SyncResult> {
    const { maxBytes, signal } = this.#options;
    const contents = await this.#store.contents(await this.#cache.manifestEtag(), signal);
    if (contents.kind === "unchanged") return this.#result();
    const { catalogue } = contents;
    const plan = planSync(catalogue, await this.#cache.versions(), maxBytes);
    for (const refused of plan.refused) this.#failed(refused, refused.error);
    await this.#cache.keepPartials(plan.downloads);
    await this.#remove(plan.evicted);
    await this.#download(catalogue, plan.downloads);
    if (this.#failures.length === 0) {
      await this.#remove(plan.vanished);
      await this.#cache.complete(contents.etag);
    }
    return this.#result();
  }

  #result(): SyncResult {
    return { changed: [...this.#changed].sort(), failures: this.#failures, held: this.#cache.contents() };
  }

  async #download(catalogue: Catalogue, wanted: readonly VersionName[]): Promise<void> {
    const cached = await this.#cache.versions();
    const work: (() => Promise<void>)[] = [];
    for (const [model, remote] of catalogue) {
      const versions = wanted.filter((name) => name.model === model);
      const isHere = cached.has(model);
      if (versions.length === 0 && (!isHere || (await this.#cache.hasModelJson(model, remote.modelJson)))) continue;
      for (const { version } of versions) this.#totalBytes += bytesOf(remote.versions.get(version) ?? new Map());
      work.push(() => this.#bringModel(model, remote, versions));
    }
    await settled(work.map((bring) => bring()));
  }

  /** First `model.json`: a new version must not be loaded with the settings of the old ones. */
  async #bringModel(model: string, remote: RemoteModel, versions: readonly VersionName[]): Promise<void> {
    try {
      if (!(await this.#cache.hasModelJson(model, remote.modelJson))) {
        const path = this.#cache.partialPath(model, undefined, "model.json");
        const file = remote.modelJson ? await this.#bringFile(model, remote.modelJson, path) : undefined;
        await this.#cache.installModelJson(model, file);
        this.#changed.add(model);
      }
    } catch (error) {
      this.#failed({ model, version: undefined }, error);
      return;
    }
    await settled(versions.map((name) => this.#bringVersion(name, remote.versions.get(name.version) ?? new Map())));
  }

  async #bringVersion(name: VersionName, files: ReadonlyMap<string, RemoteFile>): Promise<void> {
    const { model, version } = name;
    try {
      const records = new Map<string, FileRecord>();
      const bringing = [...files].map(async ([file, remote]) => {
        records.set(file, await this.#bringFile(model, remote, this.#cache.partialPath(model, version, file)));
      });
      await settled(bringing);
      await this.#cache.installVersion(name, records);
      this.#changed.add(model);
      this.#tell(model, true);
      this.#options.log.info({ model, version, bytes: bytesOf(files) }, "model version brought");
    } catch (error) {
      this.#failed(name, error);
    }
  }

  #bringFile(model: string, file: RemoteFile, path: string): Promise<FileRecord> {
    return this.#slots.run(async () => {
      const { signal } = this.#options;
      signal.throwIfAborted();
      if (this.#down) throw this.#down;
      const received = (bytes: number) => {
        this.#receivedBytes += bytes;
        this.#tell(model, false);
      };
      try {
        const sha256 = await downloadFile(this.#store, file, path, { retry: this.#retry, signal, received });
        return { size: file.size, sha256, etag: file.etag ?? null };
      } catch (error) {
        if (error instanceof SourceError && (error.transient || error.reason === "cache_unusable")) this.#down = error;
        throw error;
      }
    });
  }

  async #remove(names: readonly VersionName[]): Promise<void> {
    if (names.length === 0) return;
    await this.#cache.remove(names);
    for (const { model, version } of names) {
      this.#changed.add(model);
      this.#options.log.info({ model, version }, "model version removed");
    }
  }

  #failed({ model, version }: Omit<SyncFailure, "error">, error: unknown): void {
    if (!(error instanceof SourceError)) throw error;
    const isNew = !this.#failures.some((failure) => failure.error === error);
    this.#failures.push({ model, version, error });
    if (!isNew) return;
    this.#options.log.warn({ model, version, reason: error.reason, text: error.message }, "model version not brought");
  }

  #tell(model: string, isWhole: boolean): void {
    if (!isWhole && this.#receivedBytes - this.#toldBytes < PROGRESS_BYTES) return;
    this.#toldBytes = this.#receivedBytes;
    const [receivedBytes, totalBytes] = [this.#receivedBytes, this.#totalBytes];
    this.#options.progress?.({ model, receivedBytes, totalBytes });
  }
}

/** Waits for all: what still goes on after the first failure would go on without the lock. @throws the first failure */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === "rejected") throw outcome.reason;
}
