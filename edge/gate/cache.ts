/**
 * The step before the pool: an answer that is already known. The isolate's memory first, then the data centre's cache; the pool's
 * answer goes into both, after the reply where that can be.
 *
 * Promises: an answer is found only by who may see it, for the very same inputs, from the very same artefact; only complete, finite
 * answers of models that are declared deterministic are kept; what cannot be read as it was written is no answer.
 */
import { firstNonFinite } from "../../shared/protocol/non-finite.ts";
import { checkInputs, selectOutputs } from "../../shared/protocol/signature.ts";
import type { InferenceRequest, InferenceResponse, ModelSignature } from "../../shared/protocol/tensor.ts";
import { type CacheWish, mayServe } from "../cache/cache-control.ts";
import type { BypassReason } from "../cache/cache-status.ts";
import { InFlight, pauseMs } from "../cache/in-flight.ts";
import { IsolateCache } from "../cache/isolate-cache.ts";
import { type CacheScope, predictionKey } from "../cache/prediction-key.ts";
import { decodeStored, encodeStored, type StoredPrediction, storedPrediction } from "../cache/stored-prediction.ts";
import { jittered } from "../cache/time-to-live.ts";
import type { Routed } from "./route.ts";

/** An artefact's answer never changes; the life only bounds how long the data centre keeps what nobody asks for. */
export const USUAL_TTL_SECONDS = 3_600;
/** A quarter of what an isolate may have. */
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_ENTRIES = 20_000;
/** What says how a request is run, not what its answer is. */
const NEUTRAL_PARAMETERS = new Set(["priority", "timeout"]);

/** What a request asks of the cache. */
export interface Cacheable {
  readonly key: string;
  readonly artefact: string;
  readonly request: InferenceRequest;
  /** Names of the outputs in the order of the reply. */
  readonly outputs: readonly string[];
  /** Rows of the batch; 1 for a model without one. */
  readonly rows: number;
}

export interface Found {
  readonly stored: StoredPrediction;
  readonly from: "isolate" | "data-centre";
}

/** The last word on a request, which is one object for one body as long as that is remembered (`recent-bodies.ts`). */
const remembered = new WeakMap<
  InferenceRequest,
  { about: Cacheable; scope: CacheScope; owed: ModelSignature | undefined; maxRows: number }
>();

/**
 * @param scope whose entries it may see
 * @param maxRows that the caller may send at once; 0: as many as the model takes
 */
export async function cacheable(
  { capability, contract, decoded }: Pick<Routed, "capability" | "contract" | "decoded">,
  scope: CacheScope,
  maxRows: number,
): Promise<Cacheable | BypassReason> {
  const model = capability?.model;
  if (!model) return "unknown-model";
  if (!model.deterministic) return "not-deterministic";
  if (decoded.kind === "raw") return "input";
  const { request } = decoded;
  const owed = contract?.signature;
  const before = remembered.get(request);
  if (before && before.about.artefact === model.digest && before.owed === owed && before.maxRows === maxRows) {
    if (
      before.scope === scope ||
      (scope !== "shared" && before.scope !== "shared" && before.scope.tenant === scope.tenant)
    ) {
      return before.about;
    }
  }
  const { signature, digest: artefact, maxBatch } = model;
  let outputs: readonly string[];
  try {
    checkInputs(signature, request.inputs);
    outputs = selectOutputs(owed ?? signature, request.outputs);
  } catch {
    // The pool says what is wrong, or knows better: the model may be a newer one by now.
    return "input";
  }
  if (Object.keys(request.parameters).some((name) => !NEUTRAL_PARAMETERS.has(name))) return "parameters";
  const rows = maxBatch > 0 ? (request.inputs[0]?.shape[0] ?? 0) : 1;
  if (maxRows > 0 && rows > maxRows) return "input";
  const key = await predictionKey({ scope, artefact, inputs: request.inputs, outputs });
  const about = { key, artefact, request, outputs, rows };
  remembered.set(request, { about, scope, owed, maxRows });
  return about;
}

/** How long an identical request is waited for at the most; then everybody goes alone. */
const LONGEST_WAIT_MS = 2_000;

export class PredictionCache {
  readonly #isolate = new IsolateCache<StoredPrediction>(MOST_BYTES, MOST_ENTRIES);
  readonly #inFlight = new InFlight();

  /**
   * Lets one request of those with the same key go to the pool, and the others wait for what it brings.
   *
   * @param longestMs that this request may wait
   * @returns the answer that the other one brought, or the word to give back when this request's own has been kept or has failed
   */
  async lead(key: string, wish: CacheWish, longestMs: number): Promise<StoredPrediction | (() => void)> {
    const startedAt = Date.now();
    for (;;) {
      const now = Date.now();
      const brought = this.#isolate.get(key, now);
      if (brought && mayServe(brought, wish, now)) return brought;
      const end = this.#inFlight.begin(key, now);
      if (end) return end;
      const waitedMs = now - startedAt;
      if (waitedMs >= Math.min(longestMs, LONGEST_WAIT_MS)) return () => undefined;
      await scheduler.wait(pauseMs(waitedMs));
    }
  }

  /** @param now milliseconds since 1970 */
  async find(key: string, wish: CacheWish, environment: string, now: number): Promise<Found | undefined> {
    if (wish.noCache || wish.noStore) return undefined;
    const own = this.#isolate.get(key, now);
    if (own && mayServe(own, wish, now)) return { stored: own, from: "isolate" };
    const kept = await caches.default.match(nameOf(key, environment));
    const stored = kept && (await decodeStored(key, new Uint8Array(await kept.arrayBuffer())));
    if (!stored || !mayServe(stored, wish, now)) return undefined;
    this.#remember(key, stored);
    return { stored, from: "data-centre" };
  }

  /** @returns what was kept; undefined for an answer that must not be */
  async keep(
    key: string,
    { modelName, modelVersion, outputs }: InferenceResponse,
    { environment, ttlSeconds }: { readonly environment: string; readonly ttlSeconds: number },
    now: number,
    keepAlive: (pending: Promise<unknown>) => void,
  ): Promise<StoredPrediction | undefined> {
    if (outputs.some((output) => firstNonFinite(output) !== undefined)) return undefined;
    const ttlMs = jittered(ttlSeconds * 1_000, Math.random());
    const stored = await storedPrediction({ modelName, modelVersion, outputs }, now, now + ttlMs);
    this.#remember(key, stored);
    keepAlive(putInDataCentre(key, stored, environment, ttlMs));
    return stored;
  }

  #remember(key: string, stored: StoredPrediction): void {
    const bytes = stored.outputs.reduce((sum, { bytes: own }) => sum + own.byteLength, 0);
    this.#isolate.put(key, stored, bytes, stored.expiresAt);
  }
}

async function putInDataCentre(
  key: string,
  stored: StoredPrediction,
  environment: string,
  ttlMs: number,
): Promise<void> {
  const headers = {
    "cache-control": `max-age=${Math.ceil(ttlMs / 1_000)}`,
    "content-type": "application/octet-stream",
  };
  await caches.default.put(nameOf(key, environment), new Response(await encodeStored(key, stored), { headers }));
}

/** A name that only this Worker can ask for: the Cache API is keyed by URL, and no request reaches it from outside. */
function nameOf(key: string, environment: string): string {
  return `https://prediction-cache.invalid/${environment}/${key}`;
}

/** The isolate's. */
export const predictions = new PredictionCache();
