import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { numbersTensor, siteWith, UNHURRIED } from "../../test/support/pipeline-tensors.ts";
import { argmax, planThreshold, planTopK, topK } from "./decisions.ts";
import { Labels } from "./labels.ts";
import { readNumbers } from "./numbers.ts";

const few = fc.constantFrom(-1, 0, 0.5, 1, Number.NaN, Number.NEGATIVE_INFINITY);
const scores = fc.oneof(few, fc.float({ noNaN: true }));
const numbersOf = (tensor: Omit<Tensor, "name"> | undefined) => [...Array.from(readNumbers({ ...tensor!, name: "" }))];

test("topK gives what sorting gives: largest first, of equals the first, NaN last", () => {
  fc.assert(
    fc.property(fc.array(scores, { minLength: 1, maxLength: 12 }), fc.nat(11), (data, most) => {
      const k = Math.min(data.length, most + 1);
      const tensor = numbersTensor("x", "FP32", [1, data.length], data);
      const [label, score] = topK(tensor, k, new Labels());
      const held = Array.from(readNumbers(tensor));
      const rank = (index: number) => (Number.isNaN(held[index]!) ? Number.NEGATIVE_INFINITY : held[index]!);
      const sorted = held.map((_, index) => index).sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) - rank(a)));
      assert.deepEqual(numbersOf(label), sorted.slice(0, k));
      assert.deepEqual(
        numbersOf(score),
        sorted.slice(0, k).map((index) => held[index]),
      );
    }),
  );
});

test("argmax is the first of topK, along any axis", () => {
  fc.assert(
    fc.property(fc.array(scores, { minLength: 6, maxLength: 6 }), (data) => {
      const rows = numbersTensor("x", "FP32", [2, 3], data);
      assert.deepEqual(numbersOf(argmax(rows, 1, new Labels())), numbersOf(topK(rows, 1, new Labels())[0]));
      const columns = numbersTensor(
        "x",
        "FP32",
        [1, 3, 2],
        [0, 3, 1, 4, 2, 5].map((at) => data[at]!),
      );
      assert.deepEqual(numbersOf(argmax(columns, 1, new Labels())), numbersOf(argmax(rows, 1, new Labels())));
    }),
  );
});

test("topK keeps rows apart and gives the words of its labels", () => {
  const [label, score] = topK(numbersTensor("x", "FP16", [2, 3], [1, 3, 2, 9, 8, 7]), 2, new Labels(["a", "b", "c"]));
  assert.deepEqual(label?.shape, [2, 2]);
  assert.deepEqual(
    decodeBytesElements(label!.bytes, 4).map((word) => Buffer.from(word).toString()),
    ["b", "c", "a", "b"],
  );
  assert.equal(score?.datatype, "FP16");
  assert.deepEqual(numbersOf(score), [3, 2, 9, 8]);
});

test("a model that tells more classes apart than there are labels is not given wrong ones", () => {
  assert.throws(() => topK(numbersTensor("x", "FP32", [1, 3], [1, 2, 3]), 1, new Labels(["a", "b"])), /3 classes/);
});

test("planning finds a k that is too large, too few labels and an empty one, all at once", () => {
  const site = siteWith({ x: ["FP32", [-1, 3]] }, { textOf: () => "a\n\n" });
  planTopK({ step: "topK", tensor: "x", k: 4, labels: "labels.txt", label: "y", score: "y" }, site);
  assert.deepEqual(
    site.faults.map((fault) => fault.split(" ")[0]),
    ["k", "score", "labels", "labels"],
  );
});

test("threshold says whether each value is at least as large", async () => {
  const plan = planThreshold(
    { step: "threshold", tensor: "x", at: 0.5, output: "y" },
    siteWith({ x: ["FP32", [-1, 4]] }),
  );
  const [made] = await plan.run([numbersTensor("x", "FP32", [1, 4], [0.4, 0.5, 0.6, Number.NaN])], UNHURRIED);
  assert.deepEqual([made?.name, made?.datatype, [...made!.bytes]], ["y", "BOOL", [0, 1, 1, 0]]);
});
