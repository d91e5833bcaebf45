/**
 * Which models are served, in which versions, and in what state.
 *
 * Promises: a version is published only when it is loaded and warm; a load that fails leaves the version that serves
 * as it was; a version that is replaced or unloaded answers what it had taken in; one name's loads and unloads run
 * one after another; a version whose files are not what its manifest says, or change while they are loaded, is not
 * published; a version that the model's policy leaves out is unloaded only while another one is ready; an ensemble is
 * planned anew whenever one of its members comes, changes or goes, before the one that goes is released, and serves only
 * while all are ready (`../ensemble/README.md`). Readiness means
 * that what was there at the start has been tried: one bad file among good ones, or a model that is loaded later, is shown
 * in the index and must not take the pool out of service.
 */
import type { Logger } from "pino";
import { asWarmgateError, WarmgateError } from "../../shared/protocol/errors.ts";
import { type EnsembleSource, type LookUp, uses } from "../ensemble/load-ensemble.ts";
import type { Served, ServedEnsemble } from "../ensemble/served-ensemble.ts";
import type { LeftOut } from "../process-messages.ts";
import type { ServedModel } from "../runtime/served-model.ts";
import {
  isLaidOutAsEnsemble,
  MODEL_BESIDE_ENSEMBLE,
  type ModelFiles,
  scanRepository,
  type VersionFiles,
} from "./layout.ts";
import { type ModelJson, readModelJson } from "./model-json.ts";
import { readVersion, sameStamp, stampOf } from "./version-content.ts";
import { byNumber, planVersions, type VersionPolicy } from "./version-policy.ts";

export type VersionState =
  | { readonly state: "LOADING" }
  | { readonly state: "READY"; readonly served: Served }
  | { readonly state: "UNLOADING"; readonly served: Served; readonly reason: string }
  | { readonly state: "UNAVAILABLE"; readonly reason: string };

/** What a loader is asked to turn into a model that serves. */
export interface Artefact {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly modelFile: string;
  /** Everything that makes up the version: the model and the data beside it. */
  readonly files: readonly string[];
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
  /** Plans an ensemble with the models that are ready. @throws WarmgateError `model_rejected` */
  readonly loadEnsemble: (source: EnsembleSource, lookUp: LookUp) => ServedEnsemble;
  /** What must be done once the models are there and before readiness says so. */
  readonly beforeReady?: () => Promise<void>;
  readonly log: Logger;
}

const RELOAD_AFTER_CRASH_MS = 500;
const GONE = "no longer in the repository";
const CHANGED = "its files changed while they were loaded";
const NESTED = "is an ensemble itself: an ensemble is made of models alone";
const EVICTED = "evicted to make room for another model";

export class ModelRepository {
  readonly #options: RepositoryOptions;
  readonly #models = new Map<string, Map<string, VersionState>>();
  /** The last change of each model, so that changes of one model queue up. Bounded by the models on disk. */
  readonly #changes = new Map<string, Promise<unknown>>();
  /** Models that were evicted; one of them may not have been published yet. */
  readonly #evicted = new WeakSet<Served>();
  /** Ensembles that are wanted, ready or not, by name and version. Bounded by the models on disk. */
  readonly #ensembles = new Map<string, EnsembleSource>();
  /** What is not to be loaded. Bounded by who says so. */
  #quarantine: readonly LeftOut[] = [];
  #loadedOnce = false;
  #closed = false;

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /** Leaves artefacts out, with the reason in the index, until their files change or they are asked for by {@link loadAgain}. */
  leaveOut(artefacts: readonly LeftOut[]): void {
    this.#quarantine = artefacts;
  }

  /** Loads everything that is on disk. Models that fail are logged and shown in the index. */
  async loadAll(): Promise<void> {
    const onDisk = [...(await scanRepository(this.#options.folders)).values()];
    // Ensembles when what they are made of is there.
    const ordered = [...onDisk.filter((model) => !isLaidOutAsEnsemble(model)), ...onDisk.filter(isLaidOutAsEnsemble)];
    for (const model of ordered) {
      if (this.#closed) return;
      await this.#inTurn(model.name, () => this.#apply(model)).catch((error: unknown) => {
        this.#options.log.error({ model: model.name, reason: asWarmgateError(error).message }, "model not loaded");
      });
    }
    await this.#options.beforeReady?.();
    this.#loadedOnce = !this.#closed;
  }

  /**
   * Brings a model to what is on disk now: new and changed versions are loaded, vanished ones unloaded.
   *
   * @throws WarmgateError `model_not_found`, `model_rejected`, `draining`
   */
  load(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      if (this.#closed) throw new WarmgateError("draining", "this process is stopping", { retryAfterSeconds: 1 });
      const model = (await scanRepository(this.#options.folders)).get(name);
      if (!model) throw unknownModel(name);
      await this.#apply(model);
    });
  }

  /** As {@link load}; versions too that are left out, as somebody wants to know it. */
  loadAgain(name: string): Promise<void> {
    this.#quarantine = this.#quarantine.filter(({ model }) => model !== name);
    return this.load(name);
  }

  /** @throws WarmgateError `model_not_found` */
  unload(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      if (!this.#models.has(name)) throw unknownModel(name);
      await this.#retireAll(name, "unloaded");
    });
  }

  /** Takes a model that has gone from the disk out of service and forgets it. */
  remove(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      await this.#retireAll(name, GONE);
      this.#models.delete(name);
    });
  }

  /**
   * Takes a model off the device to make room for another one: at once, as a load waits for it that may hold another model's
   * turn. It comes back when it is loaded by name.
   */
  async evict(served: Served): Promise<void> {
    this.#evicted.add(served);
    const { name, version } = served.identity;
    const versions = this.#models.get(name);
    const state = versions?.get(version);
    const leaving: VersionState = { state: "UNLOADING", served, reason: EVICTED };
    if (state?.state === "READY" && state.served === served) versions?.set(version, leaving);
    this.#planUsersOf(name, version);
    await served.close();
    if (versions?.get(version) === leaving) versions.set(version, { state: "UNAVAILABLE", reason: EVICTED });
  }

  /**
   * The version that answers: the one named, else the highest that is ready. Until all that was on disk at the start has been
   * tried, nothing is said not to be there: a process that has just been started again would tell callers to give up.
   *
   * @throws WarmgateError `model_not_found`, `version_not_found`, `model_not_ready`
   */
  find(name: string, version?: string): Served {
    const versions = this.#models.get(name);
    if (!versions) throw this.#loadedOnce ? unknownModel(name) : notReady(name);
    const state = version === undefined ? newestReady(versions) : versions.get(version);
    if (!state && version !== undefined && this.#loadedOnce) {
      throw new WarmgateError(
        "version_not_found",
        `Request for unknown model: '${name}' version ${version} is not found`,
      );
    }
    if (state?.state === "READY") return state.served;
    throw notReady(name);
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

  served(): Served[] {
    return [...this.#models.values()].flatMap((versions) =>
      [...versions.values()].flatMap((state) => (state.state === "READY" ? [state.served] : [])),
    );
  }

  /** Lets every model finish what it has taken in, and releases it. Nothing is loaded any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const names = [...this.#models.keys()];
    await Promise.all(names.map((name) => this.#inTurn(name, () => this.#retireAll(name, "unloaded"))));
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
    if (model.fault !== undefined) {
      throw new WarmgateError("model_rejected", `failed to load '${model.name}': ${model.fault}`);
    }
    const versions = this.#models.get(model.name) ?? new Map<string, VersionState>();
    this.#models.set(model.name, versions);
    const settings = readModelJson(model.modelJson);
    const policy = await settings.then(
      ({ versionPolicy = "all" }) => versionPolicy,
      // Each version fails with what is wrong with it.
      () => "all" as const,
    );
    const { candidates, most, excluded } = planVersions(policy, [...model.versions.keys()]);
    const failures: string[] = [];
    const left: string[] = [...excluded];
    let wanted = most;
    for (const version of candidates) {
      const files = model.versions.get(version);
      if (this.#closed || !files) break;
      if (wanted === 0) {
        left.push(version);
        continue;
      }
      await this.#loadVersion(versions, model, version, files, settings).then(
        () => wanted--,
        (error: unknown) => {
          const { code, message } = asWarmgateError(error);
          if (code === "draining") throw error;
          failures.push(`version ${version}: ${message}`);
        },
      );
    }
    await this.#leaveOut(model.name, left, policy);
    for (const version of versions.keys()) {
      if (model.versions.has(version)) continue;
      await this.#retire(model.name, version, GONE);
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
    modelSettings: Promise<ModelJson>,
  ): Promise<void> {
    const before = versions.get(version);
    const serving = before?.state === "READY" ? before.served : undefined;
    if (!serving) versions.set(version, { state: "LOADING" });
    try {
      const settings = await modelSettings;
      const { ensemble } = settings;
      if ((ensemble !== undefined) !== (files.modelFile === model.modelJson)) {
        const reason = ensemble ? MODEL_BESIDE_ENSEMBLE : CHANGED;
        throw new WarmgateError("model_rejected", reason);
      }
      if (ensemble) {
        const source = { name: model.name, version, settings: { ...settings, ensemble } };
        // Wanted also if it cannot be planned now: a member may come later.
        this.#ensembles.set(keyOf(model.name, version), source);
        const planned = this.#loadEnsemble(source);
        if (serving?.identity.digest === planned.identity.digest && this.#isWhole(serving)) return;
        versions.set(version, { state: "READY", served: planned });
        this.#planUsersOf(model.name, version);
        await serving?.close();
        return;
      }
      const stamp = await stampOf(files.files);
      const digest = await readVersion(files, model.modelJson);
      if (serving?.identity.digest === digest) return;
      const leftOut = this.#quarantine.find(
        (one) => one.model === model.name && one.version === version && one.digest === digest,
      );
      if (leftOut) throw new WarmgateError("model_rejected", leftOut.reason);
      const startedAt = performance.now();
      const artefact = { name: model.name, version, digest, ...files, settings };
      let crash: string | undefined;
      const served = await this.#options.load(artefact, (reason) => {
        crash = reason;
        this.#crashed(versions, artefact, reason);
      });
      const isUnchanged = sameStamp(stamp, await stampOf(files.files).catch(() => []));
      if (this.#evicted.has(served)) crash ??= EVICTED;
      if (!isUnchanged || crash !== undefined) {
        await served.close();
        throw new WarmgateError("model_rejected", crash ?? CHANGED);
      }
      versions.set(version, { state: "READY", served });
      this.#options.log.info(
        { model: model.name, version, maxBatch: served.maxBatch, ms: Math.round(performance.now() - startedAt) },
        "model ready",
      );
      // It may have been one.
      this.#ensembles.delete(keyOf(model.name, version));
      this.#planUsersOf(model.name, version);
      await serving?.close();
    } catch (error) {
      const { code, message } = asWarmgateError(error);
      const reason = { model: model.name, version, reason: message, err: causeOf(error) };
      if (code !== "draining") this.#options.log.error(reason, "model rejected");
      if (!serving) {
        versions.set(version, { state: "UNAVAILABLE", reason: message });
        this.#planUsersOf(model.name, version);
      }
      throw error;
    }
  }

  /** Takes versions out of service that the model's policy leaves out; the last one that is ready stays. */
  async #leaveOut(name: string, left: readonly string[], policy: VersionPolicy): Promise<void> {
    const versions = this.#models.get(name) ?? new Map<string, VersionState>();
    const hasOther = [...versions].some(([version, { state }]) => state === "READY" && !left.includes(version));
    for (const version of left) {
      if (versions.get(version)?.state === "READY" && !hasOther) continue;
      await this.#retire(name, version, `left out by versionPolicy ${JSON.stringify(policy)}`);
    }
  }

  async #retireAll(name: string, reason: string): Promise<void> {
    const versions = [...(this.#models.get(name)?.keys() ?? [])];
    await Promise.all(versions.map((version) => this.#retire(name, version, reason)));
  }

  async #retire(name: string, version: string, reason: string): Promise<void> {
    const versions = this.#models.get(name);
    const state = versions?.get(version);
    this.#ensembles.delete(keyOf(name, version));
    if (state?.state === "READY") {
      versions?.set(version, { state: "UNLOADING", served: state.served, reason });
      this.#planUsersOf(name, version);
      await state.served.close();
    }
    versions?.set(version, { state: "UNAVAILABLE", reason });
  }

  /**
   * Plans the ensembles anew that use a version, which has come, changed or begun to leave: at once, so that none serves
   * what has gone.
   */
  #planUsersOf(name: string, version: string): void {
    if (this.#closed) return;
    for (const source of this.#ensembles.values()) if (uses(source, name, version)) this.#planAnew(source);
  }

  #planAnew(source: EnsembleSource): void {
    const { name, version } = source;
    const versions = this.#models.get(name);
    const before = versions?.get(version);
    // What it was before goes on where a change of it has failed and its own members are still there.
    const serving = before?.state === "READY" && this.#isWhole(before.served);
    try {
      versions?.set(version, { state: "READY", served: this.#loadEnsemble(source) });
      if (before?.state === "READY" && before.served.kind === "model") this.#closeBehind(before.served);
    } catch (error) {
      if (serving) return;
      const { message: reason } = asWarmgateError(error);
      versions?.set(version, { state: "UNAVAILABLE", reason });
      if (before?.state === "UNAVAILABLE" && before.reason === reason) return;
      this.#options.log.error({ model: name, version, reason }, "ensemble not ready");
    }
  }

  /** @throws WarmgateError `model_rejected` */
  #loadEnsemble(source: EnsembleSource): ServedEnsemble {
    const served = this.#options.loadEnsemble(source, (member, wanted) => this.#memberOf(member, wanted));
    const { name, version, digest } = served.identity;
    this.#options.log.info({ model: name, version, digest, steps: served.steps.length }, "ensemble planned");
    return served;
  }

  /** Whether all that an ensemble was planned with still serves. */
  #isWhole(served: Served): boolean {
    if (served.kind === "model") return true;
    return served.steps.every(({ model, version, member }) => this.#memberOf(model, version) === member);
  }

  /** A version that an ensemble names, or why it cannot have it. */
  #memberOf(name: string, version: string): ServedModel | string {
    const versions = this.#models.get(name);
    const state = versions?.get(version);
    const isEnsemble = this.#ensembles.has(keyOf(name, version));
    if (isEnsemble || (state?.state === "READY" && state.served.kind === "ensemble")) return NESTED;
    if (!versions) return "is not there: there is no such model";
    if (!state) return `is not there: the model has ${listed([...versions.keys()])}`;
    if (state.state === "READY" && state.served.kind === "model") return state.served;
    return `is not ready: ${state.state === "UNAVAILABLE" || state.state === "UNLOADING" ? state.reason : "it is being loaded"}`;
  }

  /** Closes what serves no more, for nobody to wait for. */
  #closeBehind(served: Served): void {
    const { name: model, version } = served.identity;
    served.close().catch((error: unknown) => {
      this.#options.log.error({ model, version, err: error }, "what is left of a model could not be closed");
    });
  }

  /** A model whose thread died is taken out of service and loaded anew, once per crash and not at once. */
  #crashed(versions: Map<string, VersionState>, { name, version, digest }: Artefact, reason: string): void {
    const state = versions.get(version);
    if (state?.state !== "READY" || state.served.identity.digest !== digest) return;
    versions.set(version, { state: "UNAVAILABLE", reason });
    this.#options.log.error({ model: name, version, reason }, "model crashed");
    this.#planUsersOf(name, version);
    // Its other threads would stay for good.
    this.#closeBehind(state.served);
    setTimeout(() => void this.load(name).catch(() => undefined), RELOAD_AFTER_CRASH_MS).unref();
  }
}

function keyOf(name: string, version: string): string {
  return `${name}/${version}`;
}

function listed(versions: readonly string[]): string {
  return `${versions.length === 1 ? "version" : "versions"} ${versions.toSorted(byNumber).join(", ")}`;
}

function unknownModel(name: string): WarmgateError {
  return new WarmgateError("model_not_found", `Request for unknown model: '${name}' is not found`);
}

function notReady(name: string): WarmgateError {
  return new WarmgateError("model_not_ready", `model '${name}' is not ready`, { retryAfterSeconds: 1 });
}

function newestReady(versions: ReadonlyMap<string, VersionState>): VersionState | undefined {
  const ready = [...versions].filter(([, state]) => state.state === "READY");
  return ready.sort(([a], [b]) => byNumber(b, a))[0]?.[1];
}

function reasonOf(state: VersionState): string {
  return state.state === "UNAVAILABLE" ? state.reason : "";
}

/** The unexpected part of a failure, for the log alone. */
function causeOf(error: unknown): unknown {
  return error instanceof WarmgateError ? error.cause : error;
}
