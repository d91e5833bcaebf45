/**
 * The models of a pool that come from elsewhere: what the serving process does with its sources.
 *
 *     const places = readModelPlaces(given.models, environment, cacheFolder);     // settings: throws SourceError
 *     const remote = new RemoteModels(places.remotes, { maxBytes, everyMs, clock, random, log });
 *     await remote.bring(signal);                                                 // before the repository loads
 *     remote.poll(reloadIn(repository));                                          // when it has loaded
 *     await remote.stop();
 *
 * Promises: a pool that has served a source's models before starts with them when the source cannot be reached; one that
 * has none of them waits for a source that may come back, and fails at once on what waiting cannot cure.
 */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import type { Clock } from "../../scheduler/executor.ts";
import { scanRepository } from "../layout.ts";
import { prepareCache } from "./cache-folder.ts";
import { type Credentials, readCredentials } from "./credentials.ts";
import { cacheFolderOf, parseModelSource, type RemoteSource } from "./model-source.ts";
import { asSourceError, SourceError } from "./source-error.ts";
import { SourcePoller, waitMs } from "./source-poller.ts";
import { type SyncOptions, type SyncResult, sync } from "./sync.ts";

/** A source with what it needs, and where its models are kept. */
export interface RemotePlace {
  readonly source: RemoteSource;
  readonly credentials: Credentials;
  readonly folder: string;
}

export interface ModelPlaces {
  /** All that `--models` names, in its order: folders, and the cache folders of sources. */
  readonly folders: readonly string[];
  readonly remotes: readonly RemotePlace[];
}

/**
 * @param given the values of `--models`
 * @param cacheRoot below which each source has a folder
 * @throws SourceError `misconfigured`, `forbidden_address`; no text shows a credential
 */
export function readModelPlaces(
  given: readonly string[],
  environment: NodeJS.ProcessEnv,
  cacheRoot: string,
): ModelPlaces {
  const folders: string[] = [];
  const remotes: RemotePlace[] = [];
  for (const text of given) {
    const source = parseModelSource(text);
    const folder = resolve(source.kind === "folder" ? source.folder : cacheFolderOf(cacheRoot, source));
    if (folders.includes(folder)) continue;
    folders.push(folder);
    if (source.kind !== "folder") remotes.push({ source, credentials: readCredentials(source, environment), folder });
  }
  return { folders, remotes };
}

export interface RemoteModelsOptions extends Pick<SyncOptions, "maxBytes" | "log" | "progress" | "limits" | "retry"> {
  /** From the end of one sync of a source to the next, in milliseconds. */
  readonly everyMs: number;
  readonly clock: Pick<Clock, "schedule">;
  /** Uniform from 0 to below 1. */
  readonly random: () => number;
  readonly log: Logger;
}

/** What takes in a change of the models on disk: the model repository. */
export interface Reloading {
  load(name: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/**
 * Brings models of a repository to what is on disk now, for {@link RemoteModels.poll}. One that has gone is taken out of service; one
 * that is rejected is the repository's to log and to show, and holds up no other.
 */
export function reloadIn(repository: Reloading): (models: readonly string[]) => Promise<void> {
  return async (models) => {
    for (const model of models) {
      await repository.load(model).catch((error: unknown) => {
        if (!(error instanceof WarmgateError)) throw error;
        // Not what the source said: a folder further down may have a model of that name.
        return error.code === "model_not_found" ? repository.remove(model) : undefined;
      });
    }
  };
}

/** Before a source that there is nothing of yet is asked again, in milliseconds. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_DOUBLINGS = 5;

export class RemoteModels {
  readonly #places: readonly RemotePlace[];
  readonly #options: RemoteModelsOptions;
  /** What each source's folder was found to have. */
  readonly #held = new Map<RemotePlace, ReadonlyMap<string, string>>();
  #pollers: readonly SourcePoller[] = [];

  constructor(places: readonly RemotePlace[], options: RemoteModelsOptions) {
    this.#places = places;
    this.#options = options;
  }

  /**
   * Brings every source's models. Resolves when each folder has what could be brought, or what it had.
   *
   * @throws SourceError where a folder has nothing and asking again cannot help; the signal's reason when it is aborted
   */
  async bring(signal: AbortSignal): Promise<void> {
    for (const place of this.#places) {
      for (let failures = 0; !(await this.#tryToBring(place, signal)); failures++) {
        const doublings = Math.min(failures, LONGEST_DOUBLINGS);
        await sleep(waitMs(FIRST_WAIT_MS, doublings, this.#options.random), undefined, { signal }).catch(
          () => undefined,
        );
        signal.throwIfAborted();
      }
    }
  }

  /**
   * Goes on syncing, each source for itself. To be called once.
   *
   * @param onChange called with the models of a source of which something is other than before: added, replaced or gone; not twice
   *   at a time for one source
   */
  poll(onChange: (models: readonly string[]) => Promise<void>): void {
    const { everyMs, clock, random, log } = this.#options;
    this.#pollers = this.#places.map((place) => {
      const poller = new SourcePoller({
        sync: (signal) => this.#sync(place, signal),
        onChange,
        everyMs,
        clock,
        random,
        log,
      });
      poller.start(this.#held.get(place));
      return poller;
    });
  }

  /** Ends the polling; what is being downloaded is kept for the next start. */
  async stop(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.stop()));
  }

  /** @returns false when there is nothing to serve and the source may yet come back */
  async #tryToBring(place: RemotePlace, signal: AbortSignal): Promise<boolean> {
    const { label } = place.source;
    let failure: SourceError | undefined;
    try {
      const { held, failures } = await this.#sync(place, signal);
      this.#held.set(place, held);
      failure = failures[0]?.error;
      this.#options.log.info({ source: label, models: held.size, failures: failures.length }, "models synced");
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof SourceError)) throw error;
      failure = error;
    }
    if (!failure || (await hasModels(place.folder))) {
      if (failure) this.#warn(label, failure, "not all models could be brought; serving those that are here");
      return true;
    }
    if (!failure.transient && failure.reason !== "cache_busy") throw failure;
    this.#warn(label, failure, "no models yet; trying again");
    return false;
  }

  #sync({ source, credentials, folder }: RemotePlace, signal: AbortSignal): Promise<SyncResult> {
    return sync(source, folder, { ...this.#options, credentials, signal });
  }

  #warn(source: string, { reason, message }: SourceError, what: string): void {
    this.#options.log.warn({ source, reason, text: message }, what);
  }
}

/** Also makes the folder, which the repository reads. */
async function hasModels(folder: string): Promise<boolean> {
  try {
    await prepareCache(folder);
    return (await scanRepository([folder])).size > 0;
  } catch (error) {
    throw asSourceError(error);
  }
}
