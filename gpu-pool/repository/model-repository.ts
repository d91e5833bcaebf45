/**
 * Which models are served, in which versions, and in what state.
 *
 * Promises: a version is published only when it is loaded and warm; a load that fails leaves the version that serves
 * as it was; a version that is replaced or unloaded answers what it had taken in; one name's loads and unloads run
 * one after another. Readiness means that what was there at the start has been tried: one bad file among good ones, or a
 * model that is loaded later, is shown in the index and must not take the pool out of service.
 */
import type { Logger } from "pino";
import { asWarmgateError, WarmgateError } from "../../shared/protocol/errors.ts";
import type { ServedModel } from "../runtime/served-model.ts";
import { artefactDigest } from "./artefact.ts";
import { type ModelFiles, scanRepository, type VersionFiles } from "./layout.ts";
import { type ModelJson, readModelJson } from "./model-json.ts";

export type VersionState =
  | { readonly state: "LOADING" }
  | { readonly state: "READY"; readonly served: ServedModel }
  | { readonly state: "UNLOADING"; readonly served: ServedModel }
  | { readonly state: "UNAVAILABLE"; readonly reason: string };

/** What a loader is asked to turn into a model that serves. */
export interface Artefact {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly modelFile: string;
  readonly settings: ModelJson;
}

export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: VersionState["state"];
  readonly reason: string;
}

export interface RepositoryOptions {
  readonly folders: readonly string[];
  /** Loads and warms an artefact; `onCrash` is called when it stops working later without having been closed. */
  readonly load: (artefact: Artefact, onCrash: (reason: string) => void) => Promise<ServedModel>;
  /** What must be done once the models are there and before readiness says so. */
  readonly beforeReady?: () => Promise<void>;
  readonly log: Logger;
}

const RELOAD_AFTER_CRASH_MS = 500;

export class ModelRepository {
  readonly #options: RepositoryOptions;
  readonly #models = new Map<string, Map<string, VersionState>>();
  /** The last change of each model, so that changes of one model queue up. Bounded by the models on disk. */
  readonly #changes = new Map<string, Promise<unknown>>();
  #loadedOnce = false;

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /** Loads everything that is on disk. Models that fail are logged and shown in the index. */
  async loadAll(): Promise<void> {
    const onDisk = await scanRepository(this.#options.folders);
    for (const model of onDisk.values()) {
      await this.#inTurn(model.name, () => this.#apply(model)).catch((error: unknown) => {
        this.#options.log.error({ model: model.name, reason: asWarmgateError(error).message }, "model not loaded");
      });
    }
    await this.#options.beforeReady?.();
    this.#loadedOnce = true;
  }

  /**
   * Brings a model to what is on disk now: new and changed versions are loaded, vanished ones unloaded.
   *
   * @throws WarmgateError `model_not_found`, `model_rejected`
   */
  load(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      const model = (await scanRepository(this.#options.folders)).get(name);
      if (!model) throw unknownModel(name);
      await this.#apply(model);
    });
  }

  /** @throws WarmgateError `model_not_found` */
  unload(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      const versions = this.#models.get(name);
      if (!versions) throw unknownModel(name);
      await Promise.all([...versions.keys()].map((version) => this.#retire(versions, version, "unloaded")));
    });
  }

  /**
   * The version that answers: the one named, else the highest that is ready.
   *
   * @throws WarmgateError `model_not_found`, `version_not_found`, `model_not_ready`
   */
  find(name: string, version?: string): ServedModel {
    const versions = this.#models.get(name);
    if (!versions) throw unknownModel(name);
    const state = version === undefined ? newestReady(versions) : versions.get(version);
    if (!state && version !== undefined) {
      throw new WarmgateError(
        "version_not_found",
        `Request for unknown model: '${name}' version ${version} is not found`,
      );
    }
    if (state?.state === "READY") return state.served;
    throw new WarmgateError("model_not_ready", `model '${name}' is not ready`, { retryAfterSeconds: 1 });
  }

  /** Versions of a model that are ready, lowest first. */
  readyVersions(name: string): string[] {
    const versions = [...(this.#models.get(name) ?? [])];
    return versions
      .filter(([, state]) => state.state === "READY")
      .map(([version]) => version)
      .sort(byNumber);
  }

  /** Whether everything that was on disk at the start has been tried. A model that is loaded later says so for itself. */
  get ready(): boolean {
    return this.#loadedOnce;
  }

  index(): IndexEntry[] {
    return [...this.#models].flatMap(([name, versions]) =>
      [...versions]
        .sort(([a], [b]) => byNumber(a, b))
        .map(([version, state]) => ({ name, version, state: state.state, reason: reasonOf(state) })),
    );
  }

  served(): ServedModel[] {
    return [...this.#models.values()].flatMap((versions) =>
      [...versions.values()].flatMap((state) => (state.state === "READY" ? [state.served] : [])),
    );
  }

  /** Lets every model finish what it has taken in, and releases it. */
  async close(): Promise<void> {
    await Promise.all([...this.#models.keys()].map((name) => this.unload(name)));
  }

  #inTurn<T>(name: string, change: () => Promise<T>): Promise<T> {
    const turn = (this.#changes.get(name) ?? Promise.resolve()).then(change, change);
    const done = turn
      .catch(() => undefined)
      .finally(() => {
        if (this.#changes.get(name) === done) this.#changes.delete(name);
      });
    this.#changes.set(name, done);
    return turn;
  }

  async #apply(model: ModelFiles): Promise<void> {
    const versions = this.#models.get(model.name) ?? new Map<string, VersionState>();
    this.#models.set(model.name, versions);
    const failures: string[] = [];
    for (const [version, files] of model.versions) {
      await this.#loadVersion(versions, model, version, files).catch((error: unknown) => {
        failures.push(`version ${version}: ${asWarmgateError(error).message}`);
      });
    }
    for (const version of versions.keys()) {
      if (model.versions.has(version)) continue;
      await this.#retire(versions, version, "no longer in the repository");
      versions.delete(version);
    }
    if (failures.length > 0) {
      throw new WarmgateError("model_rejected", `failed to load '${model.name}', ${failures.join("; ")}`);
    }
  }

  async #loadVersion(
    versions: Map<string, VersionState>,
    model: ModelFiles,
    version: string,
    files: VersionFiles,
  ): Promise<void> {
    const before = versions.get(version);
    const serving = before?.state === "READY" ? before.served : undefined;
    if (!serving) versions.set(version, { state: "LOADING" });
    try {
      const settings = await readModelJson(model.modelJson);
      const digest = await artefactDigest(model.modelJson ? [...files.files, model.modelJson] : files.files);
      if (serving?.identity.digest === digest) return;
      const startedAt = performance.now();
      const artefact = { name: model.name, version, digest, modelFile: files.modelFile, settings };
      const served = await this.#options.load(artefact, (reason) => this.#crashed(versions, artefact, reason));
      versions.set(version, { state: "READY", served });
      this.#options.log.info(
        { model: model.name, version, maxBatch: served.maxBatch, ms: Math.round(performance.now() - startedAt) },
        "model ready",
      );
      await serving?.close();
    } catch (error) {
      const { message } = asWarmgateError(error);
      this.#options.log.error({ model: model.name, version, reason: message, err: causeOf(error) }, "model rejected");
      if (!serving) versions.set(version, { state: "UNAVAILABLE", reason: message });
      throw error;
    }
  }

  async #retire(versions: Map<string, VersionState>, version: string, reason: string): Promise<void> {
    const state = versions.get(version);
    if (state?.state === "READY") {
      versions.set(version, { state: "UNLOADING", served: state.served });
      await state.served.close();
    }
    versions.set(version, { state: "UNAVAILABLE", reason });
  }

  /** A model whose thread died is taken out of service and loaded anew, once per crash and not at once. */
  #crashed(versions: Map<string, VersionState>, { name, version, digest }: Artefact, reason: string): void {
    const state = versions.get(version);
    if (state?.state !== "READY" || state.served.identity.digest !== digest) return;
    versions.set(version, { state: "UNAVAILABLE", reason });
    this.#options.log.error({ model: name, version, reason }, "model crashed");
    setTimeout(() => void this.load(name).catch(() => undefined), RELOAD_AFTER_CRASH_MS).unref();
  }
}

function unknownModel(name: string): WarmgateError {
  return new WarmgateError("model_not_found", `Request for unknown model: '${name}' is not found`);
}

function newestReady(versions: ReadonlyMap<string, VersionState>): VersionState | undefined {
  const ready = [...versions].filter(([, state]) => state.state === "READY");
  return ready.sort(([a], [b]) => byNumber(b, a))[0]?.[1];
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}

function reasonOf(state: VersionState): string {
  return state.state === "UNAVAILABLE" ? state.reason : "";
}

/** The unexpected part of a failure, for the log alone. */
function causeOf(error: unknown): unknown {
  return error instanceof WarmgateError ? error.cause : error;
}
