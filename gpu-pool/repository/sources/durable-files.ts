import { open, rename, writeFile } from "node:fs/promises";

/** Brings a folder's entries to the disk, so that a rename in it outlives a power cut. Where the system cannot, it is passed over. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Replaces a file's content: a reader sees the old one or the new one. */
export async function replaceFile(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content, { flush: true });
  await rename(`${file}.new`, file);
}
