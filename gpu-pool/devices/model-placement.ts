/**
 * Loads models onto a device as far as its memory goes.
 *
 *     const placement = new ModelPlacement({ capacityBytes, usedBytes, log });
 *     await placement.load({ model, version, bytes: estimatedBytes(artefact), evictable }, async (release) => {
 *       const served = await loadModel(...);
 *       served.onClosed = release;
 *       const takes = (bytes) => (served.memory = { provider, deviceId, bytes });
 *       return { loaded: served, placed: { lastUsedAt, evict: () => repository.evict(served), takes } };
 *     });
 *
 * Promises: a load that does not fit is refused before anything is opened, with the numbers, and nothing else is touched; what
 * may be evicted has left before the load that it makes room for begins; a load that turns out larger than the room for
 * it is closed again. Which go is decided by `memory-budget.ts`.
 *
 * Worst case: where use is measured, loads wait for one another, as growth could not be told apart otherwise. What another
 * process takes meanwhile counts as the model's.
 */
import type { Logger } from "pino";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { type DeviceMemory, place, release, reserve, settle } from "./memory-budget.ts";

export interface ModelPlacementOptions {
  /** What models may take together, in bytes. */
  readonly capacityBytes: number;
  /** What is taken of the device now, by anybody; left out, and where it is undefined, estimates count. */
  readonly usedBytes?: () => Promise<number | undefined>;
  readonly log: Pick<Logger, "info" | "warn">;
}

/** A model that is to be loaded. */
export interface Load {
  readonly model: string;
  readonly version: string;
  /** What it will take, as far as that is known before. */
  readonly bytes: number;
  /** What it takes at the least, whatever is measured: others may give memory back at the same time. */
  readonly leastBytes: number;
  readonly evictable: boolean;
}

/** What the placement keeps of a model that is on the device. */
export interface Placed {
  /** On any one scale; asked when something has to go. */
  readonly lastUsedAt: () => number;
  /** Takes it out of service and off the device. It must not wait for a load: the load waits for it. */
  evict(): Promise<void>;
  /** Told once what it is reckoned to take of the device: as measured where use can be, else as estimated. */
  takes(bytes: number): void;
}

export interface Opened<T> {
  readonly loaded: T;
  readonly placed: Placed;
}

export class ModelPlacement {
  readonly #options: ModelPlacementOptions;
  /** By the holdings' ids. */
  readonly #placed = new Map<string, Placed>();
  #memory: DeviceMemory;
  #evictions = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #lastId = 0;

  constructor(options: ModelPlacementOptions) {
    this.#options = options;
    this.#memory = { capacityBytes: options.capacityBytes, holdings: [] };
  }

  get memory(): DeviceMemory {
    return this.#memory;
  }

  /** Models that had to make room for others so far. */
  get evictions(): number {
    return this.#evictions;
  }

  /**
   * @param open loads it; `release` is to be called when it has left the device, for whatever reason; once is enough
   * @param tryOut what comes before in the room that was made for it, and gives back whatever it takes
   * @throws WarmgateError `model_rejected` where it does not fit, and whatever `open` throws
   */
  async load<T>(
    load: Load,
    open: (release: () => void) => Promise<Opened<T>>,
    tryOut?: () => Promise<void>,
  ): Promise<T> {
    const id = String(++this.#lastId);
    if (this.#options.usedBytes) {
      return this.#inTurn(async () => {
        await this.#makeRoom(id, load);
        return this.#open(id, load, open, tryOut);
      });
    }
    await this.#inTurn(() => this.#makeRoom(id, load));
    return this.#open(id, load, open, tryOut);
  }

  async #makeRoom(id: string, load: Load): Promise<void> {
    const { log } = this.#options;
    const { model, version } = load;
    const placement = place(this.#memory, { ...load, id }, (other) => this.#placed.get(other)?.lastUsedAt() ?? 0);
    if (placement.kind === "refused") throw tooLarge(placement.reason);
    for (const evicted of placement.kind === "evict" ? placement.ids : []) {
      const gone = this.#memory.holdings.find((holding) => holding.id === evicted);
      log.info({ model: gone?.model, version: gone?.version, for: `${model} ${version}` }, "model evicted");
      this.#evictions++;
      await this.#placed.get(evicted)?.evict();
      this.#release(evicted);
    }
    this.#memory = reserve(this.#memory, { ...load, id });
  }

  async #open<T>(
    id: string,
    { model, version, bytes, leastBytes, evictable }: Load,
    open: (release: () => void) => Promise<Opened<T>>,
    tryOut: (() => Promise<void>) | undefined,
  ): Promise<T> {
    let hasLeft = false;
    const leave = () => {
      hasLeft = true;
      this.#release(id);
    };
    try {
      await tryOut?.();
      const before = await this.#options.usedBytes?.();
      const { loaded, placed } = await open(leave);
      if (hasLeft) return loaded;
      const after = await this.#options.usedBytes?.();
      const grown = before !== undefined && after !== undefined && after > before ? after - before : bytes;
      const measured = Math.max(leastBytes, grown);
      const settlement = settle(this.#memory, id, measured, evictable);
      this.#memory = settlement.memory;
      if (settlement.kind === "refused") {
        await placed.evict();
        throw tooLarge(settlement.reason);
      }
      this.#placed.set(id, placed);
      placed.takes(measured);
      this.#options.log.info({ model, version, estimatedBytes: bytes, bytes: measured }, "model placed");
      return loaded;
    } catch (error) {
      this.#release(id);
      throw error;
    }
  }

  #release(id: string): void {
    this.#memory = release(this.#memory, id);
    this.#placed.delete(id);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act, act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function tooLarge(reason: string): WarmgateError {
  return new WarmgateError("model_rejected", `it does not fit on the device: ${reason}`);
}

/** ONNX Runtime holds the weights once, and its arenas grow by doubling: a guess, which is replaced by what is measured. */
const FILE_FACTOR = 2;

export interface LoadEstimate {
  /** All files of the version together. */
  readonly fileBytes: number;
  /** What a process grew by when it tried the model, where the device's memory is the process's own; else undefined. */
  readonly probedBytes: number | undefined;
  /** Copies of the model. */
  readonly instances: number;
}

/** What a model will take, in bytes. */
export function estimatedBytes({ fileBytes, probedBytes, instances }: LoadEstimate): number {
  return Math.ceil(instances * Math.max(fileBytes, probedBytes ?? FILE_FACTOR * fileBytes));
}

/** Of a GPU's free memory, what is left to CUDA's own context, its libraries' workspaces and fragments. */
const OWN_SHARE = 0.1;

/**
 * What models may take together on a device.
 *
 * @param limitBytes what the operator allows; without it, what was free at the start, less a tenth
 * @returns undefined where neither is known: then nothing can be placed by memory
 */
export function capacityOf(limitBytes: number | undefined, freeAtStart: number | undefined): number | undefined {
  if (limitBytes !== undefined) return limitBytes;
  return freeAtStart === undefined ? undefined : Math.floor(freeAtStart * (1 - OWN_SHARE));
}
