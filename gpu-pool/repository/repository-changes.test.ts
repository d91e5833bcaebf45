import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RepositoryChanges } from "./repository-changes.ts";

const NOTHING = { changed: [], gone: [] };
const look = (files: Record<string, string>) => new Map(Object.entries(files));

describe("changes of a repository", () => {
  test("what is known already is no change", () => {
    const changes = new RepositoryChanges(look({ m: "a" }));
    for (let turn = 0; turn < 3; turn++) assert.deepEqual(changes.observe(look({ m: "a" })), NOTHING);
  });

  test("a change is reported once, when it was seen twice", () => {
    const changes = new RepositoryChanges(look({ m: "a" }));
    assert.deepEqual(changes.observe(look({ m: "b", n: "x" })), NOTHING);
    assert.deepEqual(changes.observe(look({ m: "b", n: "x" })), { changed: ["m", "n"], gone: [] });
    assert.deepEqual(changes.observe(look({ m: "b", n: "x" })), NOTHING);
  });

  test("a file that grows from look to look is left alone until it rests", () => {
    const changes = new RepositoryChanges(look({}));
    for (const size of ["1", "2", "3", "4"]) assert.deepEqual(changes.observe(look({ m: size })), NOTHING);
    assert.deepEqual(changes.observe(look({ m: "4" })), { changed: ["m"], gone: [] });
  });

  test("a change that is taken back before it rests is none", () => {
    const changes = new RepositoryChanges(look({ m: "a" }));
    for (const state of ["b", "a", "b", "a"]) assert.deepEqual(changes.observe(look({ m: state })), NOTHING);
    assert.deepEqual(changes.observe(look({ m: "b" })), NOTHING);
  });

  test("what has gone is reported once it has stayed away, and is new when it comes back", () => {
    const changes = new RepositoryChanges(look({ m: "a" }));
    assert.deepEqual(changes.observe(look({})), NOTHING);
    assert.deepEqual(changes.observe(look({})), { changed: [], gone: ["m"] });
    assert.deepEqual(changes.observe(look({})), NOTHING);
    changes.observe(look({ m: "a" }));
    assert.deepEqual(changes.observe(look({ m: "a" })), { changed: ["m"], gone: [] });
  });

  test("what is missing from one look only is not gone", () => {
    const changes = new RepositoryChanges(look({ m: "a" }));
    for (const files of [{}, { m: "a" }, {}, { m: "a" }]) assert.deepEqual(changes.observe(look(files)), NOTHING);
  });

  test("whatever happened before, two equal looks bring what is known to what is there", () => {
    const files = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom("1", "2", "3"));
    fc.assert(
      fc.property(files, fc.array(files, { maxLength: 12 }), files, (first, looks, last) => {
        const changes = new RepositoryChanges(look(first));
        const known = look(first);
        for (const one of [...looks, last, last]) {
          const { changed, gone } = changes.observe(look(one));
          for (const name of changed) known.set(name, one[name] ?? "");
          for (const name of gone) known.delete(name);
        }
        assert.deepEqual([...known].sort(), [...look(last)].sort());
      }),
    );
  });
});
