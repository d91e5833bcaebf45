import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { freeBytes } from "./memory-budget.ts";
import { capacityOf, estimatedBytes, ModelPlacement, type Opened } from "./model-placement.ts";

const GIB = 1024 ** 3;
const NO_LOG = { info() {}, warn() {} };

/** Models on a device that has so much memory; each takes what it `takes`, which need not be what it was estimated at. */
class Stand {
  readonly events: string[] = [];
  /** What models were said to take. */
  readonly told = new Map<string, number>();
  readonly placement: ModelPlacement;
  readonly #used: Map<string, number> = new Map();

  constructor(capacityBytes: number, isMeasured = false) {
    const usedBytes = async () => [...this.#used.values()].reduce((sum, bytes) => sum + bytes, 5);
    this.placement = new ModelPlacement({ capacityBytes, log: NO_LOG, ...(isMeasured ? { usedBytes } : {}) });
  }

  load(
    model: string,
    bytes: number,
    { evictable = false, usedAt = 0, takes = bytes, opening = Promise.resolve() } = {},
  ) {
    return this.placement.load(
      { model, version: "1", bytes, leastBytes: 1, evictable },
      async (release): Promise<Opened<() => void>> => {
        this.events.push(`open ${model}`);
        await opening;
        this.#used.set(model, takes);
        const leave = () => {
          this.#used.delete(model);
          release();
        };
        const evict = async () => {
          await new Promise(setImmediate);
          this.events.push(`evict ${model}`);
          leave();
        };
        const tell = (bytes: number) => void this.told.set(model, bytes);
        return { loaded: leave, placed: { lastUsedAt: () => usedAt, takes: tell, evict } };
      },
    );
  }

  get free(): number {
    return freeBytes(this.placement.memory);
  }
}

describe("loading models onto a device", () => {
  test("a load that does not fit is refused with the numbers before it is opened, and the first model is unharmed", async () => {
    const stand = new Stand(8 * GIB);
    await stand.load("bert", 6 * GIB);
    await assert.rejects(stand.load("whisper", 3.1 * GIB), {
      code: "model_rejected",
      message: "it does not fit on the device: needs 3.1 GiB, 2.0 GiB of 8.0 GiB are free: bert 6.0 GiB",
    });
    assert.deepEqual(stand.events, ["open bert"]);
    assert.equal(stand.free, 2 * GIB);
  });

  test("what may be evicted has left before the load begins, the least recently used first", async () => {
    const stand = new Stand(10);
    await stand.load("a", 4, { evictable: true, usedAt: 2 });
    await stand.load("b", 4, { evictable: true, usedAt: 1 });
    await stand.load("c", 8);
    assert.deepEqual(stand.events, ["open a", "open b", "evict b", "evict a", "open c"]);
    assert.equal(stand.placement.evictions, 2);
    assert.equal(stand.free, 2);
  });

  test("memory is reserved while a model is loaded", async () => {
    const stand = new Stand(10);
    const opening = Promise.withResolvers<void>();
    const first = stand.load("a", 6, { evictable: true, opening: opening.promise });
    await assert.rejects(stand.load("b", 6), { code: "model_rejected" });
    opening.resolve();
    await first;
    assert.equal(stand.free, 4);
  });

  test("a load that fails gives back what was reserved for it", async () => {
    const stand = new Stand(10);
    const opening = Promise.reject(new Error("no model"));
    await assert.rejects(stand.load("a", 6, { opening }), { message: "no model" });
    assert.equal(stand.free, 10);
  });

  test("a model that leaves gives its memory back, once", async () => {
    const stand = new Stand(10);
    const leave = await stand.load("a", 6);
    await stand.load("b", 4);
    leave();
    leave();
    assert.equal(stand.free, 6);
  });

  test("what a model has been measured to take counts, not what it was estimated at", async () => {
    const stand = new Stand(10, true);
    await stand.load("a", 6, { takes: 2 });
    assert.equal(stand.free, 8);
    await stand.load("b", 3, { takes: 5 });
    assert.equal(stand.free, 3);
  });

  test("a model is told what it was measured to take, else what it was estimated at; one that is refused nothing", async () => {
    const measured = new Stand(10, true);
    await measured.load("a", 6, { takes: 2 });
    await assert.rejects(measured.load("b", 3, { takes: 9 }));
    assert.deepEqual([...measured.told], [["a", 2]]);
    const estimated = new Stand(10);
    await estimated.load("a", 6, { takes: 2 });
    assert.deepEqual([...estimated.told], [["a", 6]]);
  });

  test("a model takes no less than its weights, whatever others give back meanwhile", async () => {
    const stand = new Stand(10, true);
    await stand.load("a", 6, { takes: 0.5 });
    assert.equal(stand.free, 9);
  });

  test("a model that turns out larger than the room for it is closed again, and the others stay", async () => {
    const stand = new Stand(10 * GIB, true);
    await stand.load("first", 6 * GIB);
    await assert.rejects(stand.load("second", GIB, { takes: 5 * GIB }), {
      code: "model_rejected",
      message: "it does not fit on the device: needs 5.0 GiB, 4.0 GiB of 10.0 GiB are free: first 6.0 GiB",
    });
    assert.deepEqual(stand.events, ["open first", "open second", "evict second"]);
    assert.equal(stand.free, 4 * GIB);
  });

  test("where use is measured, one model is loaded after the other, so that each is measured by itself", async () => {
    const stand = new Stand(10, true);
    await Promise.all([stand.load("a", 1, { takes: 3 }), stand.load("b", 1, { takes: 4 })]);
    const bytes = stand.placement.memory.holdings.map((holding) => holding.bytes);
    assert.deepEqual(bytes, [3, 4]);
  });

  test("a load goes ahead after one that was refused or failed", async () => {
    const stand = new Stand(10, true);
    const all = await Promise.allSettled([
      stand.load("a", 11),
      stand.load("b", 1, { opening: Promise.reject(new Error("no model")) }),
      stand.load("c", 9),
    ]);
    assert.deepEqual(
      all.map(({ status }) => status),
      ["rejected", "rejected", "fulfilled"],
    );
  });
});

describe("what a model is reckoned to take", () => {
  test("is what it took when it was tried, for each copy", () => {
    assert.equal(estimatedBytes({ fileBytes: 10, probedBytes: 35, instances: 2 }), 70);
  });

  test("is twice its files where that is not known, and never less than they have", () => {
    assert.equal(estimatedBytes({ fileBytes: 10, probedBytes: undefined, instances: 1 }), 20);
    assert.equal(estimatedBytes({ fileBytes: 10, probedBytes: 4, instances: 1 }), 10);
  });
});

describe("what models may take of a device", () => {
  test("is what the operator allows, else what was free less a tenth, else not known", () => {
    assert.equal(capacityOf(5, 100), 5);
    assert.equal(capacityOf(undefined, 100), 90);
    assert.equal(capacityOf(undefined, undefined), undefined);
  });
});
