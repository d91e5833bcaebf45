/** What the cache rests on: a row's answer does not depend on what it was batched with, but for the last bits. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { inferBinary } from "../support/inference-call.ts";
import { type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";

/** As a part of the largest output; the README states it. */
const TOLERANCE = 1e-6;
const WIDTH = 64;
const LARGEST_BATCH = 64;

let pool: PoolProcess;
before(async () => {
  pool = await startPool({ models: [TEST_MODELS.digits] });
});
after(() => pool.stop());

const rows = Float32Array.from({ length: LARGEST_BATCH * WIDTH }, (_, index) => (index * 7 + (index >> 6) * 5) % 17);

/** The probabilities of the first rows, sent as one batch. */
async function probabilities(first: number, count: number): Promise<Float32Array> {
  const values = rows.slice(first * WIDTH, (first + count) * WIDTH);
  const pixels: Tensor = {
    ...{ name: "pixels", datatype: "FP32", shape: [count, WIDTH] },
    bytes: new Uint8Array(values.buffer),
  };
  const { outputs } = await inferBinary(pool.url, "digits", { parameters: {}, inputs: [pixels], binaryOutput: true });
  const { bytes } = outputs.find(({ name }) => name === "probabilities")!;
  return new Float32Array(bytes.slice().buffer);
}

test("a row alone and in batches of any size has the same answer, within the tolerance that is stated", async () => {
  const alone: number[] = [];
  for (let row = 0; row < LARGEST_BATCH; row++) alone.push(...(await probabilities(row, 1)));
  const largest = Math.max(...alone);
  for (const count of [2, 3, 8, 17, 32, 64]) {
    const together = await probabilities(0, count);
    const worst = Math.max(...Array.from(together, (value, index) => Math.abs(value - alone[index]!)));
    assert.ok(worst <= TOLERANCE * largest, `batch of ${count}: ${worst / largest}`);
  }
});
