import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeStored, encodeStored, storedPrediction } from "./stored-prediction.ts";

const KEY = "a".repeat(64);
const outputs = [
  {
    name: "scores",
    datatype: "FP32" as const,
    shape: [1, 3],
    bytes: new Uint8Array(Float32Array.of(0.1, 0.2, 0.7).buffer),
  },
  { name: "label", datatype: "INT64" as const, shape: [1], bytes: new Uint8Array(BigInt64Array.of(2n).buffer) },
];
const stored = () => storedPrediction({ modelName: "digits", modelVersion: "3", outputs }, 1_000, 61_000);

describe("a stored prediction", () => {
  test("comes back as it was, without outputs as well", async () => {
    const one = await stored();
    assert.deepEqual(await decodeStored(KEY, await encodeStored(KEY, one)), one);
    const empty = await storedPrediction({ modelName: "digits", modelVersion: "3", outputs: [] }, 1, 2);
    assert.deepEqual(await decodeStored(KEY, await encodeStored(KEY, empty)), empty);
  });

  test("read under another key is nothing", async () => {
    assert.equal(await decodeStored(`b${KEY.slice(1)}`, await encodeStored(KEY, await stored())), undefined);
  });

  test("is nothing when any bit was turned", async () => {
    const bytes = await encodeStored(KEY, await stored());
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
        const broken = bytes.slice();
        broken[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(await decodeStored(KEY, broken), undefined);
      }),
      { numRuns: 500 },
    );
  });

  test("is nothing when it was cut off", async () => {
    const bytes = await encodeStored(KEY, await stored());
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(await decodeStored(KEY, bytes.slice(0, length)), undefined);
    }
  });

  test("its content is named alike when it is alike, whenever it was stored", async () => {
    const later = await storedPrediction({ modelName: "digits", modelVersion: "3", outputs }, 9, 10);
    assert.equal(later.contentDigest, (await stored()).contentDigest);
    const changed = [{ ...outputs[0]!, bytes: new Uint8Array(12) }, outputs[1]!];
    const other = await storedPrediction({ modelName: "digits", modelVersion: "3", outputs: changed }, 9, 10);
    assert.notEqual(other.contentDigest, later.contentDigest);
  });
});
