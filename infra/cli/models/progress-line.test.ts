import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { progressLine } from "./progress-line.ts";

describe("the progress line", () => {
  test("a pipe has none", () => {
    assert.equal(progressLine({ write: () => assert.fail("written to") }), undefined);
  });

  test("is written over, never wraps, and leaves nothing behind", () => {
    const written: string[] = [];
    const show = progressLine({ isTTY: true, columns: 5, write: (text) => written.push(text) });
    show?.(undefined);
    show?.("abcdefgh");
    show?.(undefined);
    show?.(undefined);
    progressLine({ isTTY: true, columns: 0, write: (text) => written.push(text) })?.("all of it");
    assert.equal(written.pop(), "\r\x1b[2Kall of it");
    assert.deepEqual(written, ["\r\x1b[2Kabcd", "\r\x1b[2K"]);
  });
});
