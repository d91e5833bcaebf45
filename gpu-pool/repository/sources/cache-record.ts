import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { RemoteFile } from "./catalogue.ts";

const fileSchema = z.strictObject({
  size: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  etag: z.string().nullable(),
});

const recordSchema = z.strictObject({
  /** Label of the source that the cache is of. */
  source: z.string(),
  /** Of the manifest that the cache holds all of; null where it holds less, or no manifest told. */
  etag: z.string().nullable(),
  models: z.record(
    z.string(),
    z.strictObject({
      modelJson: fileSchema.nullable(),
      versions: z.record(z.string(), z.record(z.string(), fileSchema)),
    }),
  ),
});

export type FileRecord = z.infer<typeof fileSchema>;

export interface ModelRecord {
  modelJson: FileRecord | undefined;
  readonly versions: Map<string, ReadonlyMap<string, FileRecord>>;
}

/** What is known of the files in a cache that cannot be read off them without hashing them all. */
export interface CacheRecord {
  readonly source: string;
  etag: string | undefined;
  readonly models: Map<string, ModelRecord>;
}

export function emptyRecord(source: string): CacheRecord {
  return { source, etag: undefined, models: new Map() };
}

/** @returns undefined where there is none, or none that can be understood */
export async function readRecord(file: string): Promise<CacheRecord | undefined> {
  try {
    const { source, etag, models } = recordSchema.parse(JSON.parse(await readFile(file, "utf8")));
    const read = Object.entries(models).map(([name, { modelJson, versions }]): [string, ModelRecord] => {
      const files = Object.entries(versions).map(([version, found]): [string, ReadonlyMap<string, FileRecord>] => [
        version,
        new Map(Object.entries(found)),
      ]);
      return [name, { modelJson: modelJson ?? undefined, versions: new Map(files) }];
    });
    return { source, etag: etag ?? undefined, models: new Map(read) };
  } catch {
    return undefined;
  }
}

export function recordText({ source, etag, models }: CacheRecord): string {
  const written = models.entries().map(([name, { modelJson = null, versions }]) => {
    const files = versions.entries().map(([version, found]) => [version, Object.fromEntries(found)] as const);
    return [name, { modelJson, versions: Object.fromEntries(files) }] as const;
  });
  const record: z.input<typeof recordSchema> = { source, etag: etag ?? null, models: Object.fromEntries(written) };
  return JSON.stringify(record);
}

/** By content where the source names it, else by the object's entity tag. */
export function isSameFile(record: FileRecord | undefined, remote: RemoteFile | undefined): boolean {
  if (!record || !remote) return !record && !remote;
  if (record.size !== remote.size) return false;
  return remote.sha256 === undefined ? record.etag === (remote.etag ?? null) : record.sha256 === remote.sha256;
}
