/**
 * Looks at a repository's folders again and again and brings the pool to what is there: new and changed models are loaded,
 * vanished ones unloaded. It polls, as network mounts and mounted volumes tell nobody of their changes.
 *
 *     const watch = await RepositoryWatch.begin({ folders, everyMs: 5_000, load, remove, log });
 *     await repository.loadAll();
 *     watch.start();
 *
 * Promises: what is half written is left alone (`repository-changes.ts`); a look that fails changes nothing, and neither
 * does a folder from which every model vanishes at once, which is what a mount that has gone looks like; never two looks
 * at a time, however slow they are. A version that is loaded while a slow upload pauses is probed and checked like any
 * other, and loaded anew when the upload goes on: a `manifest.json` beside it keeps it from being tried too early.
 *
 * Worst case: a change is taken up two intervals after it was finished, and what loading takes.
 */
import type { Logger } from "pino";
import { type ModelFiles, scanRepository } from "./layout.ts";
import { type Look, RepositoryChanges } from "./repository-changes.ts";
import { stampOf } from "./version-content.ts";

export interface RepositoryWatchOptions {
  readonly folders: readonly string[];
  /** From the end of one look to the next, in milliseconds. */
  readonly everyMs: number;
  /** Brings a model to what is on disk; a failure is logged by who is asked. */
  readonly load: (name: string) => Promise<void>;
  /** Takes a model out of service that has gone. */
  readonly remove: (name: string) => Promise<void>;
  readonly log: Pick<Logger, "info" | "warn">;
}

export class RepositoryWatch {
  readonly #options: RepositoryWatchOptions;
  readonly #changes: RepositoryChanges;
  /** What each folder looked like when it could be read last. */
  readonly #folders: Map<string, Look>;
  /** Faults that are logged already. */
  #faults: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  private constructor(options: RepositoryWatchOptions, folders: Map<string, Look>) {
    this.#options = options;
    this.#folders = folders;
    this.#changes = new RepositoryChanges(merge(options.folders, folders));
  }

  /**
   * Takes down what is there now: to be called before it is loaded, so that no change falls in between.
   *
   * @throws Error when a folder cannot be read
   */
  static async begin(options: RepositoryWatchOptions): Promise<RepositoryWatch> {
    const folders = new Map<string, Look>();
    for (const folder of options.folders) folders.set(folder, await lookAt(await scanRepository([folder]), new Map()));
    return new RepositoryWatch(options, folders);
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#poll().finally(() => this.start()), this.#options.everyMs).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #poll(): Promise<void> {
    const { folders, load, remove, log } = this.#options;
    const faults = new Set<string>();
    for (const folder of folders) await this.#look(folder, faults);
    for (const fault of faults) if (!this.#faults.has(fault)) log.warn({ reason: fault }, "repository not read");
    if (faults.size === 0 && this.#faults.size > 0) log.info("repository read again");
    this.#faults = faults;
    const { changed, gone } = this.#changes.observe(merge(folders, this.#folders));
    for (const name of changed) if (!this.#stopped) await load(name).catch(() => undefined);
    for (const name of gone) if (!this.#stopped) await remove(name);
  }

  async #look(folder: string, faults: Set<string>): Promise<void> {
    const before = this.#folders.get(folder) ?? new Map<string, string>();
    try {
      const models = await scanRepository([folder]);
      for (const { name, fault } of models.values()) if (fault !== undefined) faults.add(`model '${name}': ${fault}`);
      const look = await lookAt(models, before);
      if (look.size === 0 && before.size > 0) faults.add("all models have vanished at once; they go on being served");
      else this.#folders.set(folder, look);
    } catch (error) {
      faults.add(error instanceof Error ? error.message : String(error));
    }
  }
}

/** @param before what to take for models that cannot be read now */
async function lookAt(models: ReadonlyMap<string, ModelFiles>, before: Look): Promise<Look> {
  const look = new Map<string, string>();
  for (const { name, modelJson, versions, fault } of models.values()) {
    const known = before.get(name);
    if (fault === undefined) look.set(name, await appearanceOf(modelJson, versions));
    else if (known !== undefined) look.set(name, known);
  }
  return look;
}

async function appearanceOf(modelJson: string | undefined, versions: ModelFiles["versions"]): Promise<string> {
  const files = [...versions.values()].flatMap((version) => [version.manifest ?? [], version.files].flat());
  const stamps = await stampOf(modelJson === undefined ? files : [modelJson, ...files]);
  // An ensemble's versions have no files.
  return [...stamps.toSorted(), ...versions.keys()].join("\n");
}

/** A model in an earlier folder hides one of the same name in a later one. */
function merge(folders: readonly string[], looks: ReadonlyMap<string, Look>): Look {
  const merged = new Map<string, string>();
  for (const folder of folders) {
    for (const [name, appearance] of looks.get(folder) ?? []) if (!merged.has(name)) merged.set(name, appearance);
  }
  return merged;
}
