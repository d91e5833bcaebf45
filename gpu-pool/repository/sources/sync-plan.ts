/** What has to be done for the cache to hold what the source has, within its bound: numbers and names in, a plan out. */
import { bytesOf, type Catalogue, type RemoteFile } from "./catalogue.ts";
import { SourceError } from "./source-error.ts";

/** A version in the cache, with the bytes it takes. */
export interface CachedVersion {
  readonly bytes: number;
  /** Whether its files are those of the source. */
  readonly isCurrent: (files: ReadonlyMap<string, RemoteFile>) => boolean;
}

export type CachedVersions = ReadonlyMap<string, ReadonlyMap<string, CachedVersion>>;

export interface VersionName {
  readonly model: string;
  readonly version: string;
}

export interface SyncPlan {
  /** To be removed before anything is downloaded, as its room is needed. */
  readonly evicted: readonly VersionName[];
  readonly downloads: readonly VersionName[];
  /** To be removed when all else has gone well. */
  readonly vanished: readonly VersionName[];
  /** There is no room for these. */
  readonly refused: readonly (VersionName & { readonly error: SourceError })[];
}

/**
 * Versions that the source no longer has are given up only for room; one that it has is never given up. A version that is
 * replaced counts twice, as it serves until the new one is whole. Newer versions go first where room is scarce.
 *
 * @param maxBytes that the versions in the cache may take together
 */
export function planSync(catalogue: Catalogue, cached: CachedVersions, maxBytes: number): SyncPlan {
  const wanted: (VersionName & { bytes: number })[] = [];
  for (const [model, { versions }] of catalogue) {
    for (const [version, files] of versions) {
      if (!cached.get(model)?.get(version)?.isCurrent(files)) wanted.push({ model, version, bytes: bytesOf(files) });
    }
  }
  wanted.sort((a, b) => Number(b.version) - Number(a.version) || a.model.localeCompare(b.model));
  const gone: VersionName[] = [];
  let kept = 0;
  let goneBytes = 0;
  for (const [model, versions] of cached) {
    for (const [version, { bytes }] of versions) {
      if (catalogue.get(model)?.versions.has(version)) kept += bytes;
      else {
        gone.push({ model, version });
        goneBytes += bytes;
      }
    }
  }
  const downloads: VersionName[] = [];
  const refused: (VersionName & { error: SourceError })[] = [];
  let used = kept;
  for (const { model, version, bytes } of wanted) {
    if (used + bytes <= maxBytes) {
      used += bytes;
      downloads.push({ model, version });
    } else {
      const text = `${model} ${version} needs ${bytes} bytes, and ${used} of the cache's ${maxBytes} are taken by versions that are still wanted`;
      refused.push({ model, version, error: new SourceError("cache_full", text) });
    }
  }
  const isRoomForAll = used + goneBytes <= maxBytes;
  const evicted = isRoomForAll || downloads.length === 0 ? [] : gone;
  return { evicted, downloads, vanished: evicted.length > 0 ? [] : gone, refused };
}
