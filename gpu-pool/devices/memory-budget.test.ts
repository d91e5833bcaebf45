import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type DeviceMemory, freeBytes, type Holding, place, release, reserve, settle } from "./memory-budget.ts";

const GIB = 1024 ** 3;
const never = () => 0;

function resident(id: string, bytes: number, evictable = false, model = id): Holding {
  return { kind: "resident", id, model, version: "1", bytes, evictable };
}

function wanted(bytes: number, id = "new", model = id) {
  return { id, model, version: "1", bytes };
}

/** A device with models on it, each last used at the moment of its number. */
const devices = fc
  .array(
    fc.record({
      kind: fc.constantFrom("loading" as const, "resident" as const),
      bytes: fc.integer({ min: 0, max: 100 }),
      evictable: fc.boolean(),
      model: fc.constantFrom("a", "b", "c", "new"),
      usedAt: fc.integer({ min: 0, max: 20 }),
    }),
    { maxLength: 10 },
  )
  .chain((models) => {
    const holdings = models.map(({ kind, bytes, evictable, model }, index): Holding => {
      const common = { id: String(index), model, version: "1", bytes };
      return kind === "loading" ? { kind, ...common } : { kind, ...common, evictable };
    });
    const used = holdings.reduce((sum, { bytes }) => sum + bytes, 0);
    return fc.record({
      memory: fc.integer({ min: used, max: used + 150 }).map((capacityBytes) => ({ capacityBytes, holdings })),
      lastUsedAt: fc.constant((id: string) => models[Number(id)]?.usedAt ?? 0),
      bytes: fc.integer({ min: 0, max: 400 }),
    });
  });

describe("placing a model on a device", () => {
  test("a model that fits takes nothing from anybody", () => {
    const memory: DeviceMemory = { capacityBytes: 10, holdings: [resident("a", 4, true)] };
    assert.deepEqual(place(memory, wanted(6), never), { kind: "fits" });
  });

  test("a load that does not fit is refused with the numbers", () => {
    const memory: DeviceMemory = {
      capacityBytes: 8 * GIB,
      holdings: [resident("digits", 1.2 * GIB), resident("bert", 4.8 * GIB)],
    };
    assert.deepEqual(place(memory, wanted(3.1 * GIB), never), {
      kind: "refused",
      reason: "needs 3.1 GiB, 2.0 GiB of 8.0 GiB are free: bert 4.8 GiB, digits 1.2 GiB",
    });
  });

  test("what does not fit by a hair does not read as if it did", () => {
    const memory: DeviceMemory = { capacityBytes: 2.04 * GIB, holdings: [] };
    const placement = place(memory, wanted(2.05 * GIB), never);
    assert.deepEqual(placement, { kind: "refused", reason: "needs 2.1 GiB, 2.0 GiB of 2.0 GiB are free" });
  });

  test("a refusal names the largest models, the versions where there are several, and stays short", () => {
    const holdings = Array.from({ length: 11 }, (_, at) => resident(`m${at}`, (at + 1) * 1024 ** 2));
    const memory = {
      capacityBytes: 66 * 1024 ** 2,
      holdings: [...holdings.slice(0, 10), resident("x", 0, false, "m9")],
    };
    const placement = place(memory, wanted(GIB), never);
    assert.match(
      placement.kind === "refused" ? placement.reason : "",
      /^needs 1\.0 GiB, 11 MiB of 66 MiB are free: m9 1 10 MiB, m8 9 MiB/,
    );
    assert.match(placement.kind === "refused" ? placement.reason : "", /, 3 more$/);
  });

  test("the least recently used goes first", () => {
    const memory: DeviceMemory = {
      capacityBytes: 9,
      holdings: [resident("a", 3, true), resident("b", 3, true), resident("c", 3, true)],
    };
    const usedAt = { a: 2, b: 1, c: 3 };
    const lastUsedAt = (id: string) => usedAt[id as keyof typeof usedAt];
    assert.deepEqual(place(memory, wanted(3), lastUsedAt), { kind: "evict", ids: ["b"] });
    assert.deepEqual(place(memory, wanted(6), lastUsedAt), { kind: "evict", ids: ["b", "a"] });
  });

  test("a small old one stays where a larger one has to go all the same", () => {
    const memory: DeviceMemory = { capacityBytes: 10, holdings: [resident("a", 1, true), resident("b", 9, true)] };
    const lastUsedAt = (id: string) => (id === "a" ? 1 : 2);
    assert.deepEqual(place(memory, wanted(9), lastUsedAt), { kind: "evict", ids: ["b"] });
  });

  test("other versions of the same model are not evicted for it", () => {
    const memory: DeviceMemory = { capacityBytes: 4, holdings: [resident("old", 4, true, "bert")] };
    assert.equal(place(memory, wanted(4, "next", "bert"), never).kind, "refused");
  });

  test("it is placed exactly when evicting everything that may go would make room", () => {
    fc.assert(
      fc.property(devices, ({ memory, lastUsedAt, bytes }) => {
        const mayGo = memory.holdings.filter((one) => one.kind === "resident" && one.evictable && one.model !== "new");
        const most = freeBytes(memory) + mayGo.reduce((sum, one) => sum + one.bytes, 0);
        assert.equal(place(memory, wanted(bytes), lastUsedAt).kind !== "refused", bytes <= most);
      }),
    );
  });

  test("only what may go is evicted, in order of last use, and none of it could have stayed", () => {
    fc.assert(
      fc.property(devices, ({ memory, lastUsedAt, bytes }) => {
        const placement = place(memory, wanted(bytes), lastUsedAt);
        if (placement.kind !== "evict") return;
        const holdings = placement.ids.map((id) => memory.holdings.find((one) => one.id === id)!);
        assert.ok(holdings.every((one) => one.kind === "resident" && one.evictable && one.model !== "new"));
        const times = placement.ids.map(lastUsedAt);
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
        const room = freeBytes(memory) + holdings.reduce((sum, one) => sum + one.bytes, 0);
        assert.ok(room >= bytes);
        for (const one of holdings) assert.ok(room - one.bytes < bytes);
      }),
    );
  });
});

describe("the account of a device's memory", () => {
  test("it is never overdrawn, and all of it comes back", () => {
    const step = fc.record({
      act: fc.constantFrom("load", "settle", "release"),
      id: fc.constantFrom("a", "b", "c", "d"),
      bytes: fc.integer({ min: 0, max: 80 }),
      evictable: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let memory: DeviceMemory = { capacityBytes: 100, holdings: [] };
        for (const { act, id, bytes, evictable } of steps) {
          const holding = memory.holdings.find((one) => one.id === id);
          if (act === "release") memory = release(memory, id);
          else if (act === "settle" && holding?.kind === "loading")
            memory = settle(memory, id, bytes, evictable).memory;
          else if (act === "load" && !holding) {
            const placement = place(memory, wanted(bytes, id), never);
            if (placement.kind === "refused") continue;
            for (const gone of placement.kind === "evict" ? placement.ids : []) memory = release(memory, gone);
            memory = reserve(memory, wanted(bytes, id));
          }
          assert.ok(freeBytes(memory) >= 0);
          assert.equal(new Set(memory.holdings.map((one) => one.id)).size, memory.holdings.length);
        }
        for (const { id } of memory.holdings) memory = release(memory, id);
        assert.equal(freeBytes(memory), 100);
      }),
    );
  });

  test("what was measured replaces what was reserved", () => {
    const memory = reserve({ capacityBytes: 10, holdings: [] }, wanted(8, "a"));
    const settled = settle(memory, "a", 3, true);
    assert.equal(settled.kind, "settled");
    assert.equal(freeBytes(settled.memory), 7);
  });

  test("a model that turns out too large is refused, and the others keep their place", () => {
    const before: DeviceMemory = { capacityBytes: 10 * GIB, holdings: [resident("first", 6 * GIB)] };
    const settled = settle(reserve(before, wanted(2 * GIB)), "new", 5 * GIB, false);
    assert.deepEqual(settled, {
      kind: "refused",
      memory: before,
      reason: "needs 5.0 GiB, 4.0 GiB of 10.0 GiB are free: first 6.0 GiB",
    });
  });

  test("nothing is reserved that does not fit, or twice", () => {
    const memory = reserve({ capacityBytes: 10, holdings: [] }, wanted(6, "a"));
    assert.throws(() => reserve(memory, wanted(5, "b")), RangeError);
    assert.throws(() => reserve(memory, wanted(1, "a")), RangeError);
    assert.throws(() => settle(memory, "b", 1, false), RangeError);
  });
});
