import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { editDistance, nearestName } from "./nearest-name.ts";

describe("nearestName", () => {
  test("finds what is one slip away", () => {
    assert.equal(nearestName("creat", ["ls", "create", "set"]), "create");
    assert.equal(nearestName("sohw", ["ls", "show", "set"]), "show");
  });

  test("allows two slips in a long name only", () => {
    assert.equal(nearestName("concurency", ["concurrency"]), "concurrency");
    assert.equal(nearestName("conurrenci", ["concurrency"]), "concurrency");
    assert.equal(nearestName("sxx", ["set"]), undefined);
  });

  test("prefers the nearer of two", () => {
    assert.equal(nearestName("revoks", ["revisit", "revoke"]), "revoke");
  });
});

describe("editDistance", () => {
  test("is nothing for the same text, and the same both ways", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        assert.equal(editDistance(one, one), 0);
        assert.equal(editDistance(one, other), editDistance(other, one));
      }),
    );
  });

  test("counts one slip as one", () => {
    for (const typed of ["rte", "raate", "rase", "arte"]) assert.equal(editDistance(typed, "rate"), 1, typed);
  });

  test("is between the difference of the lengths and the greater length", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        const distance = editDistance(one, other);
        assert.ok(distance >= Math.abs(one.length - other.length));
        assert.ok(distance <= Math.max(one.length, other.length));
      }),
    );
  });
});
