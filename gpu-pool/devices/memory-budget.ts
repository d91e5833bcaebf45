/**
 * What of a device's memory is taken, by which model, and whether one more fits.
 *
 * ONNX Runtime's Node binding cannot cap what a session takes, so a load that does not fit would take down the models beside
 * it. Therefore a load is placed first: its estimate is reserved, and replaced by what was measured once it is there.
 *
 *     place({ capacityBytes: 8 * GIB, holdings }, { id: "b7", model: "whisper", version: "1", bytes: 3.1 * GIB }, lastUsedAt)
 *     // { kind: "refused", reason: "needs 3.1 GiB, 2.0 GiB of 8.0 GiB are free: bert 4.8 GiB, digits 1.2 GiB" }
 *
 * Promises: the sum of what is reserved and held is never above the capacity; what is being loaded, what is not marked
 * evictable and other versions of the same model are never evicted; of the evicted ones, none could have stayed.
 *
 * Worst case: a session grows after its warm-up (other shapes, arenas that double). That is not seen here; it shows as a run
 * that is out of memory, which `device-recovery.ts` deals with.
 */

/** A place that is kept free for a model that is being loaded. */
export interface Reservation {
  readonly kind: "loading";
  /** Unique among all that is on the device. */
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly bytes: number;
}

/** A model that is on the device. */
export interface Resident extends Omit<Reservation, "kind"> {
  readonly kind: "resident";
  /** Whether it may be unloaded to make room for another one. */
  readonly evictable: boolean;
}

export type Holding = Reservation | Resident;

export interface DeviceMemory {
  readonly capacityBytes: number;
  readonly holdings: readonly Holding[];
}

export type Wanted = Omit<Reservation, "kind">;

export type Placement =
  | { readonly kind: "fits" }
  /** It fits when these have been unloaded; the least recently used first. */
  | { readonly kind: "evict"; readonly ids: readonly string[] }
  | { readonly kind: "refused"; readonly reason: string };

/** Holdings that a refusal names; the largest ones. */
const MOST_NAMED = 8;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export function freeBytes({ capacityBytes, holdings }: DeviceMemory): number {
  return capacityBytes - holdings.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * Whether a model fits, and what has to go first.
 *
 * @param lastUsedAt when a model was last asked for, on any one scale; asked for those that may be evicted
 */
export function place(memory: DeviceMemory, wanted: Wanted, lastUsedAt: (id: string) => number): Placement {
  let missing = wanted.bytes - freeBytes(memory);
  if (missing <= 0) return { kind: "fits" };
  const byAge = memory.holdings
    .filter((holding) => isEvictable(holding) && holding.model !== wanted.model)
    .map(({ id, bytes }) => ({ id, bytes, usedAt: lastUsedAt(id) }))
    .toSorted((a, b) => a.usedAt - b.usedAt);
  const victims: typeof byAge = [];
  for (const victim of byAge) {
    if (missing <= 0) break;
    victims.push(victim);
    missing -= victim.bytes;
  }
  if (missing > 0) return { kind: "refused", reason: refusal(memory, wanted.bytes) };
  // A large one that came late may have made up for small ones before it: those stay, the last used of them first.
  const needed = victims.toReversed().filter(({ bytes }) => {
    if (missing + bytes > 0) return true;
    missing += bytes;
    return false;
  });
  return { kind: "evict", ids: needed.toReversed().map(({ id }) => id) };
}

/**
 * Keeps memory free for a load.
 *
 * @throws RangeError when it does not fit, or its id is taken: `place` was not asked
 */
export function reserve(memory: DeviceMemory, wanted: Wanted): DeviceMemory {
  if (memory.holdings.some(({ id }) => id === wanted.id)) throw new RangeError(`${wanted.id} is there already`);
  if (wanted.bytes > freeBytes(memory)) throw new RangeError(refusal(memory, wanted.bytes));
  const { id, model, version, bytes } = wanted;
  return { ...memory, holdings: [...memory.holdings, { kind: "loading", id, model, version, bytes }] };
}

export type Settlement =
  | { readonly kind: "settled"; readonly memory: DeviceMemory }
  /** It takes more than there is: it is to be closed, and is no longer counted. */
  | { readonly kind: "refused"; readonly memory: DeviceMemory; readonly reason: string };

/**
 * A load has ended: what it takes was measured.
 *
 * @throws RangeError when nothing is reserved under this id
 */
export function settle(memory: DeviceMemory, id: string, bytes: number, evictable: boolean): Settlement {
  const reserved = memory.holdings.find((holding) => holding.id === id);
  if (reserved?.kind !== "loading") throw new RangeError(`nothing is reserved for ${id}`);
  const others = release(memory, id);
  if (bytes > freeBytes(others)) return { kind: "refused", memory: others, reason: refusal(others, bytes) };
  const resident: Resident = { ...reserved, kind: "resident", bytes, evictable };
  return { kind: "settled", memory: { ...others, holdings: [...others.holdings, resident] } };
}

/** A model has left, or its load has failed. Without effect where there is none. */
export function release(memory: DeviceMemory, id: string): DeviceMemory {
  return { ...memory, holdings: memory.holdings.filter((holding) => holding.id !== id) };
}

function isEvictable(holding: Holding): boolean {
  return holding.kind === "resident" && holding.evictable;
}

/** Rounded so that what does not fit never reads as if it did. */
function refusal(memory: DeviceMemory, neededBytes: number): string {
  const { capacityBytes, holdings } = memory;
  const free = `${sizeText(freeBytes(memory), Math.floor)} of ${sizeText(capacityBytes, Math.floor)} are free`;
  const largest = holdings.toSorted((a, b) => b.bytes - a.bytes);
  const named = largest.slice(0, MOST_NAMED).map((holding) => {
    const { model, version, bytes, kind } = holding;
    const alone = holdings.filter((other) => other.model === model).length === 1;
    const note = kind === "loading" ? " (loading)" : "";
    return `${alone ? model : `${model} ${version}`} ${sizeText(bytes, Math.round)}${note}`;
  });
  if (largest.length > named.length) named.push(`${largest.length - named.length} more`);
  const taken = named.length > 0 ? `: ${named.join(", ")}` : "";
  return `needs ${sizeText(neededBytes, Math.ceil)}, ${free}${taken}`;
}

/** "1.2 GiB", or "340 MiB" below one. */
function sizeText(bytes: number, round: (value: number) => number): string {
  if (bytes < GIB) return `${round(bytes / MIB)} MiB`;
  return `${(round((bytes / GIB) * 10) / 10).toFixed(1)} GiB`;
}
