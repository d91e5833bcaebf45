import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { joinBody, splitBody } from "./framing.ts";

const BODY = Uint8Array.of(1, 2, 3, 4);

describe("splitBody", () => {
  test("without a header the whole body is JSON", () => {
    const { json, binary } = splitBody(BODY, null);
    assert.deepEqual([json.length, binary.length], [4, 0]);
  });
  test("cuts where the header says", () => {
    const { json, binary } = splitBody(BODY, "3");
    assert.deepEqual([[...json], [...binary]], [[1, 2, 3], [4]]);
  });
  test("the JSON part may be the whole body", () => assert.equal(splitBody(BODY, "4").binary.length, 0));
  for (const header of [
    "",
    " ",
    "-1",
    "+3",
    "3.0",
    "3e0",
    "0x3",
    "03",
    "3, 3",
    "NaN",
    "٣",
    "5",
    "99999999999999999999",
  ]) {
    test(`refuses the header "${header}"`, () => {
      assert.throws(() => splitBody(BODY, header), { code: "invalid_header_length" });
    });
  }
  test("says what a header of 0 would mean", () => {
    assert.throws(() => splitBody(BODY, "0"), { code: "invalid_header_length", message: /raw binary request/ });
  });
});

describe("joinBody", () => {
  test("counts the JSON part in bytes, not in characters", () => {
    const { body, headerLength } = joinBody('"é"', [BODY]);
    assert.equal(headerLength, 4);
    assert.deepEqual([...body.subarray(4)], [1, 2, 3, 4]);
  });
  test("without a byte of binary data there is no header", () => {
    assert.equal(joinBody("{}", [new Uint8Array(0)]).headerLength, undefined);
  });
});
