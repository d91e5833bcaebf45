import { randomUUID } from "node:crypto";
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { inCache } from "./cache-failure.ts";
import { SourceError } from "./source-error.ts";

const holderSchema = z.strictObject({ host: z.string(), pid: z.int(), run: z.string() });

/** Tells this run of the program from an earlier one: in a container each has the same process id. */
const THIS = { host: hostname(), pid: process.pid, run: randomUUID() };

/** A lock that its holder has not touched for so long is of one that is gone, on whichever machine it was. */
const ABANDONED_AFTER_MS = 60_000;
const TOUCH_EVERY_MS = 10_000;

/**
 * Keeps other processes from writing to a cache folder; reading needs no lock.
 *
 * Worst case: a holder on another machine that vanished keeps the folder locked for 60 s more. Two processes that find the same
 * lock abandoned in the same instant may both take it; a file that both then write fails its digest and is fetched anew.
 *
 * @returns gives it back
 * @throws SourceError `cache_busy`
 */
export async function lockCache(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, ".warmgate", "lock");
  return inCache(async () => {
    if (!(await create(file))) {
      const holder = await livingHolder(file);
      if (holder) throw new SourceError("cache_busy", `the cache folder is being written by ${holder}`);
      await rm(file, { force: true });
      if (!(await create(file)))
        throw new SourceError("cache_busy", "the cache folder is being written by another process");
    }
    const touching = setInterval(() => {
      const now = new Date();
      void utimes(file, now, now).catch(() => undefined);
    }, TOUCH_EVERY_MS).unref();
    return async () => {
      clearInterval(touching);
      await rm(file, { force: true });
    };
  });
}

async function create(file: string): Promise<boolean> {
  try {
    await writeFile(file, JSON.stringify(THIS), { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Who holds the lock, or undefined where that process is gone. */
async function livingHolder(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found || Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) return undefined;
  try {
    const { host, pid, run } = holderSchema.parse(JSON.parse(await readFile(file, "utf8")));
    const isGone = host === THIS.host && run !== THIS.run && (pid === THIS.pid || !isRunning(pid));
    return isGone ? undefined : `process ${pid} on ${host}`;
  } catch {
    // It is being written this moment.
    return "another process";
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as another user.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
