import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Catalogue, RemoteModel } from "./catalogue.ts";
import { type CachedVersion, planSync } from "./sync-plan.ts";

type Sizes = Record<string, Record<string, number>>;
const catalogueOf = (sizes: Sizes): Catalogue =>
  new Map(
    Object.entries(sizes).map(([model, versions]): [string, RemoteModel] => {
      const files = Object.entries(versions).map(([version, size]) => {
        const file = { path: "", size, sha256: undefined, etag: "e" };
        return [version, new Map([["model.onnx", file]])] as const;
      });
      return [model, { modelJson: undefined, versions: new Map(files) }];
    }),
  );
/** A cached version is current when it is as large as the source's. */
const cachedOf = (sizes: Sizes) =>
  new Map(
    Object.entries(sizes).map(([model, versions]) => {
      const found = Object.entries(versions).map(([version, bytes]): [string, CachedVersion] => [
        version,
        { bytes, isCurrent: (files) => files.get("model.onnx")?.size === bytes },
      ]);
      return [model, new Map(found)] as const;
    }),
  );
const plan = (remote: Sizes, cached: Sizes, maxBytes: number) => {
  const { refused, ...rest } = planSync(catalogueOf(remote), cachedOf(cached), maxBytes);
  const text = (names: readonly { model: string; version: string }[]) =>
    names.map((name) => `${name.model}/${name.version}`);
  return {
    downloads: text(rest.downloads),
    evicted: text(rest.evicted),
    vanished: text(rest.vanished),
    refused: text(refused),
    texts: refused.map(({ error }) => error.message),
  };
};

describe("what a sync does", () => {
  test("brings what is missing or other, and leaves what is there", () => {
    const done = plan({ a: { 1: 5, 2: 6 }, b: { 1: 7 } }, { a: { 1: 5, 2: 9 } }, 1_000);
    assert.deepEqual([done.downloads, done.evicted, done.vanished], [["a/2", "b/1"], [], []]);
  });

  test("keeps what has vanished to the end, unless its room is needed", () => {
    assert.deepEqual(plan({ a: { 2: 40 } }, { a: { 1: 50 } }, 100).vanished, ["a/1"]);
    assert.deepEqual(plan({ a: { 2: 40 } }, { a: { 1: 50 } }, 100).evicted, []);
    assert.deepEqual(plan({ a: { 2: 60 } }, { a: { 1: 50 } }, 100).evicted, ["a/1"]);
  });

  test("refuses what does not fit, with numbers, and gives up nothing for it", () => {
    const done = plan({ a: { 1: 50, 2: 60 } }, { a: { 1: 50 }, old: { 1: 10 } }, 100);
    assert.deepEqual([done.refused, done.downloads, done.evicted], [["a/2"], [], []]);
    assert.match(done.texts[0] ?? "", /a 2 needs 60 bytes, and 50 of the cache's 100/);
  });

  test("counts a version that is replaced twice: the old one serves until the new one is whole", () => {
    assert.deepEqual(plan({ a: { 1: 60 } }, { a: { 1: 50 } }, 100).refused, ["a/1"]);
    assert.deepEqual(plan({ a: { 1: 60 } }, { a: { 1: 40 } }, 100).downloads, ["a/1"]);
  });

  test("brings the newest versions first", () => {
    assert.deepEqual(plan({ a: { 1: 1, 10: 1 }, b: { 9: 1 } }, {}, 10).downloads, ["a/10", "b/9", "a/1"]);
  });

  test("whatever there is: the bound holds, what is wanted stays, and all that fits is brought", () => {
    const name = fc.constantFrom("a", "b", "c");
    const version = fc.constantFrom("1", "2", "3");
    const sizes = fc.dictionary(name, fc.dictionary(version, fc.integer({ min: 0, max: 50 }), { minKeys: 1 }));
    fc.assert(
      fc.property(sizes, sizes, fc.integer({ min: 0, max: 400 }), (remote, cached, maxBytes) => {
        const done = plan(remote, cached, maxBytes);
        const size = (from: Sizes, id: string) => from[id.split("/")[0] ?? ""]?.[id.split("/")[1] ?? ""] ?? Number.NaN;
        const total = (from: Sizes, ids: string[]) => ids.reduce((sum, id) => sum + size(from, id), 0);
        const ids = (of: Sizes) => Object.entries(of).flatMap(([m, v]) => Object.keys(v).map((n) => `${m}/${n}`));
        const used = total(cached, ids(cached));
        const peak = used - total(cached, done.evicted) + total(remote, done.downloads);
        assert.ok(done.downloads.length === 0 || peak <= maxBytes, `${peak} of ${maxBytes}`);
        for (const id of [...done.evicted, ...done.vanished]) assert.ok(!ids(remote).includes(id));
        const missing = ids(remote)
          .filter((id) => size(cached, id) !== size(remote, id))
          .sort();
        assert.deepEqual([...done.downloads, ...done.refused].sort(), missing);
        const stays = total(
          cached,
          ids(cached).filter((id) => ids(remote).includes(id)),
        );
        if (stays + total(remote, missing) <= maxBytes) assert.deepEqual(done.refused, []);
        const gone = ids(cached).filter((id) => !ids(remote).includes(id));
        assert.deepEqual([...done.evicted, ...done.vanished].sort(), gone.sort());
      }),
    );
  });
});
