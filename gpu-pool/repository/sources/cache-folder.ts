/**
 * The folder that a source's models are brought to; what is loaded from it is laid out as `../layout.ts` says.
 *
 *     <folder>/<model>/<version>/model.onnx     whole versions, and nothing else that a scan could take for one
 *     <folder>/.warmgate/record.json            what the versions are, so that they need not be hashed anew
 *     <folder>/.warmgate/partial/               downloads that are not whole yet
 *     <folder>/.warmgate/ready/, outgoing/      on the way in and out
 *
 * Promises: a version appears by one rename, when all of its files are whole and on the disk; nothing outside of the folder,
 * and nothing in a folder that was not empty when it was first used, is ever changed.
 *
 * Worst case: a version whose content was replaced under its old number is absent between two renames. A scan in that moment
 * does not see it and the next one does. Versions are better given new numbers.
 */
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isModelName, isModelVersion } from "../../../shared/protocol/model-name.ts";
import { inCache } from "./cache-failure.ts";
import { type CacheRecord, emptyRecord, type FileRecord, isSameFile, readRecord, recordText } from "./cache-record.ts";
import type { RemoteFile } from "./catalogue.ts";
import { replaceFile, syncFolder } from "./durable-files.ts";
import { SourceError } from "./source-error.ts";
import type { CachedVersion, VersionName } from "./sync-plan.ts";

const OWN_FOLDER = ".warmgate";

/** Sizes of the files in a version's folder, by name. */
type FileSizes = ReadonlyMap<string, number>;

export class CacheFolder {
  readonly #folder: string;
  readonly #record: CacheRecord;
  /** Changes of the record and of the folder, one after another. */
  #changes: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, record: CacheRecord) {
    this.#folder = folder;
    this.#record = record;
  }

  /**
   * Makes the folder a cache if it is empty, and removes what an earlier process left on its way.
   *
   * @param source label of the source
   * @throws SourceError `cache_unusable`
   */
  static async open(folder: string, source: string): Promise<CacheFolder> {
    await prepareCache(folder);
    return inCache(async () => {
      const record = (await readRecord(join(folder, OWN_FOLDER, "record.json"))) ?? emptyRecord(source);
      if (record.source !== source) {
        throw new SourceError("cache_unusable", `the cache folder is of ${record.source}, not of ${source}`);
      }
      for (const left of ["ready", "outgoing"])
        await rm(join(folder, OWN_FOLDER, left), { recursive: true, force: true });
      return new CacheFolder(folder, record);
    });
  }

  /** Entity tag of the manifest that all of is here; undefined: something is missing, or no manifest told. */
  async manifestEtag(): Promise<string | undefined> {
    const { etag, models } = this.#record;
    if (etag === undefined) return undefined;
    const onDisk = await inCache(() => scan(this.#folder));
    for (const [model, { modelJson, versions }] of models) {
      if (modelJson && (await this.#modelJsonSize(model)) !== modelJson.size) return undefined;
      for (const [version, files] of versions) {
        if (!isWhole(files, onDisk.get(model)?.get(version))) return undefined;
      }
    }
    return etag;
  }

  /** The versions that are here, as far as a scan of the folder would find them. */
  async versions(): Promise<ReadonlyMap<string, ReadonlyMap<string, CachedVersion>>> {
    const onDisk = await inCache(() => scan(this.#folder));
    const cached = onDisk.entries().map(([model, versions]): [string, ReadonlyMap<string, CachedVersion>] => {
      const found = versions.entries().map(([version, sizes]): [string, CachedVersion] => {
        const bytes = sizes.values().reduce((sum, size) => sum + size, 0);
        return [version, { bytes, isCurrent: (files) => this.#isCurrent({ model, version }, sizes, files) }];
      });
      return [model, new Map(found)];
    });
    return new Map(cached);
  }

  async hasModelJson(model: string, remote: RemoteFile | undefined): Promise<boolean> {
    const record = this.#record.models.get(model)?.modelJson;
    return isSameFile(record, remote) && (await this.#modelJsonSize(model)) === remote?.size;
  }

  /** Every model that is here, with a text that differs when anything of the model does. */
  contents(): ReadonlyMap<string, string> {
    const whole = this.#record.models.entries().filter(([, { versions }]) => versions.size > 0);
    const models = whole.map(([model, { modelJson, versions }]): [string, string] => {
      const digests = versions
        .entries()
        .map(([version, files]) => [version, [...files].map(([name, { sha256 }]) => [name, sha256]).sort()]);
      return [model, JSON.stringify([modelJson?.sha256, [...digests].sort()])];
    });
    return new Map(models);
  }

  /** Where a file is put together. */
  partialPath(model: string, version: string | undefined, file: string): string {
    return join(this.#folder, OWN_FOLDER, "partial", model, version ?? "", `${file}.part`);
  }

  /** Removes what is there of downloads that are not wanted any more. */
  async keepPartials(wanted: readonly VersionName[]): Promise<void> {
    const partials = join(this.#folder, OWN_FOLDER, "partial");
    await inCache(async () => {
      for (const model of await entriesOf(partials)) {
        const versions = new Set(wanted.filter((name) => name.model === model).map(({ version }) => version));
        for (const entry of await entriesOf(join(partials, model))) {
          if (!versions.has(entry)) await rm(join(partials, model, entry), { recursive: true, force: true });
        }
      }
    });
  }

  /** Makes a version of partial files that are whole; it takes the place of the one of that number. */
  installVersion({ model, version }: VersionName, files: ReadonlyMap<string, FileRecord>): Promise<void> {
    return this.#change(async () => {
      const ready = join(this.#folder, OWN_FOLDER, "ready", `${model}@${version}`);
      await rm(ready, { recursive: true, force: true });
      await mkdir(ready, { recursive: true });
      for (const file of files.keys()) await rename(this.partialPath(model, version, file), join(ready, file));
      await syncFolder(ready);
      const target = join(this.#folder, model, version);
      await mkdir(dirname(target), { recursive: true });
      await this.#discard(target, async () => {
        await rename(ready, target);
        await syncFolder(dirname(target));
      });
      await rm(dirname(this.partialPath(model, version, "")), { recursive: true, force: true });
      this.#recordOf(model).versions.set(version, files);
    });
  }

  /** @param file undefined: the model has none any more */
  installModelJson(model: string, file: FileRecord | undefined): Promise<void> {
    return this.#change(async () => {
      const target = join(this.#folder, model, "model.json");
      if (file) {
        await mkdir(dirname(target), { recursive: true });
        await rename(this.partialPath(model, undefined, "model.json"), target);
      } else {
        await rm(target, { force: true });
      }
      await syncFolder(dirname(target));
      this.#recordOf(model).modelJson = file;
    });
  }

  /** Removes versions, and models of which none is left. */
  remove(names: readonly VersionName[]): Promise<void> {
    return this.#change(async () => {
      for (const { model, version } of names) {
        const folder = join(this.#folder, model);
        const others = (await entriesOf(folder)).filter((entry) => isModelVersion(entry) && entry !== version);
        await this.#discard(others.length > 0 ? join(folder, version) : folder);
        this.#record.models.get(model)?.versions.delete(version);
        if (others.length === 0) this.#record.models.delete(model);
      }
    });
  }

  /** Notes that all of what a source has is here, and removes what is left of models without a version. @param etag of its manifest */
  complete(etag: string | undefined): Promise<void> {
    return this.#change(async () => {
      for (const model of (await entriesOf(this.#folder)).filter(isModelName)) {
        if ((await entriesOf(join(this.#folder, model))).some(isModelVersion)) continue;
        await this.#discard(join(this.#folder, model));
        this.#record.models.delete(model);
      }
    }, etag);
  }

  /** Removes a folder so that it is there as a whole or not at all. @param replace puts another one in its place */
  async #discard(target: string, replace?: () => Promise<void>): Promise<void> {
    const outgoing = join(this.#folder, OWN_FOLDER, "outgoing");
    await rm(outgoing, { recursive: true, force: true });
    await mkdir(outgoing, { recursive: true });
    await rename(target, join(outgoing, "folder")).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await replace?.();
    await rm(outgoing, { recursive: true, force: true });
  }

  #change(change: () => Promise<void>, etag?: string): Promise<void> {
    const done = this.#changes.then(() =>
      inCache(async () => {
        await change();
        this.#record.etag = etag;
        await replaceFile(join(this.#folder, OWN_FOLDER, "record.json"), recordText(this.#record));
      }),
    );
    this.#changes = done.catch(() => undefined);
    return done;
  }

  #isCurrent({ model, version }: VersionName, sizes: FileSizes, remote: ReadonlyMap<string, RemoteFile>): boolean {
    const record = this.#record.models.get(model)?.versions.get(version);
    if (!record || record.size !== remote.size || !isWhole(record, sizes)) return false;
    return remote.entries().every(([name, file]) => isSameFile(record.get(name), file));
  }

  #recordOf(model: string) {
    const record = this.#record.models.get(model) ?? { modelJson: undefined, versions: new Map() };
    this.#record.models.set(model, record);
    return record;
  }

  async #modelJsonSize(model: string): Promise<number | undefined> {
    const found = await stat(join(this.#folder, model, "model.json")).catch(() => undefined);
    return found?.isFile() ? found.size : undefined;
  }
}

/** Whether a folder is a cache already. */
export async function isCache(folder: string): Promise<boolean> {
  return (await stat(join(folder, OWN_FOLDER)).catch(() => undefined))?.isDirectory() ?? false;
}

/** Makes an empty or absent folder a cache. @throws SourceError `cache_unusable` */
export async function prepareCache(folder: string): Promise<void> {
  await inCache(async () => {
    await mkdir(folder, { recursive: true });
    if (!(await isCache(folder)) && (await readdir(folder)).length > 0) {
      throw new SourceError("cache_unusable", "the cache folder holds something else: name an empty one");
    }
    await mkdir(join(folder, OWN_FOLDER), { recursive: true });
  });
}

async function scan(folder: string): Promise<Map<string, Map<string, FileSizes>>> {
  const models = new Map<string, Map<string, FileSizes>>();
  for (const model of (await entriesOf(folder)).filter(isModelName)) {
    const versions = new Map<string, FileSizes>();
    for (const version of (await entriesOf(join(folder, model))).filter(isModelVersion)) {
      const sizes = new Map<string, number>();
      for (const file of await entriesOf(join(folder, model, version))) {
        const found = await stat(join(folder, model, version, file)).catch(() => undefined);
        if (found) sizes.set(file, found.size);
      }
      versions.set(version, sizes);
    }
    if (versions.size > 0) models.set(model, versions);
  }
  return models;
}

function isWhole(record: ReadonlyMap<string, FileRecord>, sizes: FileSizes | undefined): boolean {
  return sizes?.size === record.size && record.entries().every(([name, { size }]) => sizes.get(name) === size);
}

async function entriesOf(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}
