import { codeOf, SourceError } from "./source-error.ts";

/**
 * Runs what reads or writes the cache folder.
 *
 * @throws SourceError `cache_unusable` with the system's code, such as ENOSPC
 */
export async function inCache<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SourceError) throw error;
    throw new SourceError("cache_unusable", `the cache folder cannot be used: ${codeOf(error)}`, { cause: error });
  }
}
