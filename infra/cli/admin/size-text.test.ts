import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UsageError } from "../usage-error.ts";
import { formatSize, parseSize } from "./size-text.ts";

test("sizes are bytes, in binary or decimal units", () => {
  assert.equal(parseSize("8MiB", "--max-body", 1, 1e9), 8 * 1024 * 1024);
  assert.equal(parseSize("512KiB", "--max-body", 1, 1e9), 512 * 1024);
  assert.equal(parseSize("5MB", "--max-body", 1, 1e9), 5e6);
  assert.equal(parseSize("2048", "--max-body", 1, 1e9), 2048);
});

test("sizes are written exactly", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 * 1024 * 1024 }), (bytes) => {
      assert.equal(parseSize(formatSize(bytes), "--max-body", 1, 1e9), bytes);
    }),
  );
});

test("sizes in another form, or out of bounds, are refused", () => {
  for (const text of ["", "8", "8mib", "-8MiB", "1.5MiB", "8GiB", "200MiB", "8none"]) {
    assert.throws(() => parseSize(text, "--max-body", 1024, 100 * 1024 * 1024), UsageError, text);
  }
});
