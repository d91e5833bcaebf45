import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeBytesElements, encodeBytesElements } from "./bytes-elements.ts";

describe("BYTES elements", () => {
  test("an empty element is four zero bytes", () => {
    assert.deepEqual([...encodeBytesElements([new Uint8Array(0)])], [0, 0, 0, 0]);
  });
  test("the length is little-endian", () => {
    assert.deepEqual([...encodeBytesElements([Uint8Array.of(7, 8)])], [2, 0, 0, 0, 7, 8]);
  });
  test("what is encoded decodes to the same elements", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (elements) => {
        const decoded = decodeBytesElements(encodeBytesElements(elements), elements.length);
        assert.deepEqual(
          decoded.map((element) => [...element]),
          elements.map((element) => [...element]),
        );
      }),
    );
  });
  test("every cut is refused", () => {
    const whole = encodeBytesElements([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeBytesElements(whole.subarray(0, length), 2), { code: "invalid_data" });
    }
  });
  test("too many elements are refused, empty ones too", () => {
    assert.throws(() => decodeBytesElements(new Uint8Array(12), 2), { code: "invalid_data", message: /left over/ });
  });
  test("a length of 4 GiB is refused without room being made for it", () => {
    assertNothingAllocated(() => decodeBytesElements(Uint8Array.of(255, 255, 255, 255, 0), 1));
  });
  test("a claimed count of 2^28 is refused without room being made for it", () => {
    assertNothingAllocated(() => decodeBytesElements(new Uint8Array(8), 2 ** 28));
  });
});

function assertNothingAllocated(refused: () => unknown): void {
  const before = process.memoryUsage();
  assert.throws(refused, { code: "invalid_data" });
  const after = process.memoryUsage();
  assert.ok(after.arrayBuffers - before.arrayBuffers < 1e6 && after.heapTotal - before.heapTotal < 64e6);
}
