/** What a source has, whether a manifest or a listing told it. */

export interface RemoteFile {
  /** Below the source's base; every segment has been checked. */
  readonly path: string;
  readonly size: number;
  /** SHA-256 in lower-case hex, where a manifest names it. */
  readonly sha256: string | undefined;
  /** Entity tag of the object that was listed, where a listing named it. */
  readonly etag: string | undefined;
}

export interface RemoteModel {
  readonly modelJson: RemoteFile | undefined;
  /** Version -> file name -> file. Each version has `model.onnx`, or nothing where the model is an ensemble. */
  readonly versions: ReadonlyMap<string, ReadonlyMap<string, RemoteFile>>;
}

export type Catalogue = ReadonlyMap<string, RemoteModel>;

/** Keeps a mistake of a day from filling memory and disks: a repository has tens of models. */
export const LIMITS = {
  models: 1_000,
  versionsPerModel: 1_000,
  filesPerVersion: 1_000,
  modelJsonBytes: 1024 ** 2,
  /** A single file, in bytes: one tebibyte. */
  fileBytes: 1024 ** 4,
} as const;

/** Of a file in a version's folder: one segment, not hidden, nothing that any file system reads as a path. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/;

export function isFileName(text: string): boolean {
  return FILE_NAME.test(text) && !text.includes("..") && !text.endsWith(".");
}

/** Whether a path below the base names one file within it. */
export function isFilePath(text: string): boolean {
  const segments = text.split("/");
  return segments.length <= 8 && segments.every(isFileName);
}

export function bytesOf(files: ReadonlyMap<string, RemoteFile>): number {
  return files.values().reduce((sum, { size }) => sum + size, 0);
}
