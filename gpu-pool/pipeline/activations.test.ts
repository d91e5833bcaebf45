import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numbersTensor, siteWith } from "../../test/support/pipeline-tensors.ts";
import { planSoftmax, sigmoid, softmax } from "./activations.ts";
import { readNumbers } from "./numbers.ts";

const value = fc.double({ min: -1e30, max: 1e30, noNaN: true });
const lanes = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }))
  .chain((shape) => {
    const length = shape[0] * shape[1] * shape[2];
    return fc.record({ shape: fc.constant(shape), data: fc.array(value, { minLength: length, maxLength: length }) });
  });

test("softmax sums to 1 along its axis and orders values as they were, however large they are", () => {
  fc.assert(
    fc.property(lanes, ({ shape, data }) => {
      const [outer, size, inner] = shape;
      const made = readNumbers(softmax(numbersTensor("x", "FP64", shape, data), 1));
      for (let o = 0; o < outer; o++) {
        for (let n = 0; n < inner; n++) {
          const lane = Array.from({ length: size }, (_, i) => (o * size + i) * inner + n);
          const sum = lane.reduce((all, at) => all + made[at]!, 0);
          assert.ok(Math.abs(sum - 1) < 1e-12);
          for (const a of lane) for (const b of lane) if (data[a]! > data[b]!) assert.ok(made[a]! >= made[b]!);
        }
      }
    }),
  );
});

test("softmax of [0, ln 3] is a quarter and three quarters, with 1000 added to both as well", () => {
  for (const shift of [0, 1000]) {
    const made = readNumbers(softmax(numbersTensor("x", "FP32", [1, 2], [shift, shift + Math.log(3)]), 1));
    assert.ok(Math.abs(made[0]! - 0.25) < 1e-4 && Math.abs(made[1]! - 0.75) < 1e-4);
  }
});

test("an infinite logit takes all, and NaN stays NaN", () => {
  const infinite = softmax(numbersTensor("x", "FP32", [1, 2], [1, Number.POSITIVE_INFINITY]), 1);
  assert.deepEqual([...Array.from(readNumbers(infinite))], [0, 1]);
  assert.ok(Number.isNaN(readNumbers(softmax(numbersTensor("x", "FP32", [1, 2], [1, Number.NaN]), 1))[0]));
});

test("sigmoid lies between 0 and 1, and that of -x is what is missing to 1", () => {
  fc.assert(
    fc.property(value, (x) => {
      const [a, b] = Array.from(readNumbers(sigmoid(numbersTensor("x", "FP64", [1, 2], [x, -x]))));
      assert.ok(a! >= 0 && a! <= 1);
      assert.ok(Math.abs(a! + b! - 1) < 1e-12);
    }),
  );
});

test("softmax over the batch is refused where requests run together, and allowed where they do not", () => {
  for (const batched of [true, false]) {
    const site = siteWith({ x: ["FP32", [10]] }, { batched });
    planSoftmax({ tensor: "x", axis: -1 }, site);
    assert.equal(site.faults.length, batched ? 1 : 0);
  }
});
