import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { GrowingBytes } from "./growing-bytes.ts";

describe("growing bytes", () => {
  test("what comes in pieces is all there, in order", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 90_000 }), { maxLength: 8 }), (pieces) => {
        const growing = new GrowingBytes();
        for (const piece of pieces) growing.append(piece);
        assert.equal(
          growing.length,
          pieces.reduce((sum, piece) => sum + piece.length, 0),
        );
        assert.ok(Buffer.concat(pieces).equals(growing.bytes()));
      }),
    );
  });

  test("the room is at most twice what has come, once it is beyond the smallest", () => {
    const growing = new GrowingBytes();
    for (let count = 0; count < 500; count++) {
      growing.append(new Uint8Array(65_536));
      const room = growing.bytes().buffer.byteLength;
      assert.ok(room <= Math.max(131_072, 2 * growing.length), `${room} for ${growing.length}`);
    }
  });

  test("blocks that were outgrown or cleared are freed at once, without a garbage collection", () => {
    const growing = new GrowingBytes();
    growing.append(new Uint8Array(1_000_000));
    const outgrown = growing.bytes();
    growing.append(new Uint8Array(8_000_000));
    assert.equal(outgrown.byteLength, 0);
    const cleared = growing.bytes();
    growing.clear();
    assert.equal(cleared.byteLength, 0);
    assert.equal(growing.length, 0);
  });
});
