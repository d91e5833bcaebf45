import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { stableHash } from "./stable-hash.ts";
import { chooseByWeight } from "./weighted-split.ts";

const KEYS = 100_000;
/** Any finite weights from 0, the smallest and the largest numbers included. */
const weight = fc.oneof(fc.constant(0), fc.double({ min: 0, max: Number.MAX_VALUE, noNaN: true }), fc.nat(100));
const targetSet = fc.uniqueArray(fc.record({ id: fc.string(), weight }), { selector: ({ id }) => id, maxLength: 8 });
const text = fc.string();
const keys = fc.array(fc.string(), { minLength: 1, maxLength: 30 });

const weighted = (weights: readonly number[]) => weights.map((weight, index) => ({ id: `${index + 1}`, weight }));

describe("the weighted split", () => {
  test("the order of the targets does not matter", () => {
    const shuffled = targetSet.chain((targets) =>
      fc.tuple(
        fc.constant(targets),
        fc.shuffledSubarray(targets, { minLength: targets.length, maxLength: targets.length }),
      ),
    );
    fc.assert(
      fc.property(text, keys, shuffled, (salt, keys, [targets, reordered]) => {
        for (const key of keys) assert.equal(chooseByWeight(salt, key, reordered), chooseByWeight(salt, key, targets));
      }),
    );
  });

  test("it never changes: who gets what is the same in every version of this code", () => {
    const targets = weighted([70, 20, 10]);
    const chosen = ["a", "b", "c", "d", "e", "f", "g", "h"].map((key) => chooseByWeight("resnet", key, targets)?.id);
    assert.deepEqual(chosen, ["1", "1", "1", "3", "3", "1", "2", "1"]);
  });

  test("a weight of 0 is never chosen, and nothing is when there is no other weight", () => {
    fc.assert(
      fc.property(text, text, targetSet, (salt, key, targets) => {
        const chosen = chooseByWeight(salt, key, targets);
        assert.equal(
          chosen === undefined,
          targets.every(({ weight }) => weight === 0),
        );
        assert.notEqual(chosen?.weight, 0);
      }),
    );
  });

  const WEIGHTS = [
    [1, 1],
    [95, 5],
    [99.9, 0.1],
    [1, 2, 3, 4],
    [0.5, 0.25, 0.25, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    [5e-324, 5e-324],
    [Number.MAX_VALUE, Number.MAX_VALUE / 9],
  ];
  for (const weights of WEIGHTS) {
    test(`each target has its share of the keys: ${weights.join(" : ")}`, () => {
      const targets = weighted(weights);
      const counts = new Map<string, number>();
      for (let key = 0; key < KEYS; key++) {
        const id = chooseByWeight("resnet", `user-${key}`, targets)?.id ?? "";
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      const largest = Math.max(...weights);
      const total = weights.reduce((sum, weight) => sum + weight / largest, 0);
      for (const { id, weight } of targets) {
        const share = weight / largest / total;
        const sigma = Math.sqrt(KEYS * share * (1 - share));
        const off = (counts.get(id) ?? 0) - KEYS * share;
        assert.ok(Math.abs(off) <= 3 * sigma, `target ${id} is off by ${off}, sigma is ${sigma}`);
      }
    });
  }

  test("raising a weight moves keys to that target only, and lowering it only away from it", () => {
    const raised = targetSet.filter((targets) => targets.length > 0);
    fc.assert(
      fc.property(text, keys, raised, fc.nat(), weight, (salt, keys, targets, pick, weight) => {
        const changed = targets[pick % targets.length]!;
        const [lower, higher] = [Math.min(weight, changed.weight), Math.max(weight, changed.weight)];
        const having = (weight: number) =>
          targets.map((target) => (target === changed ? { ...target, weight } : target));
        for (const key of keys) {
          const before = chooseByWeight(salt, key, having(lower))?.id;
          const after = chooseByWeight(salt, key, having(higher))?.id;
          if (after !== before) assert.equal(after, changed.id);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("a canary's ramp from 1 to 100 % takes nobody out of the canary", () => {
    const inCanary = (key: string, percent: number) =>
      chooseByWeight("resnet", key, weighted([100 - percent, percent]))?.id === "2";
    for (let key = 0; key < 1_000; key++) {
      let was = false;
      for (let percent = 0; percent <= 100; percent++) {
        const is = inCanary(`user-${key}`, percent);
        assert.ok(is || !was, `user-${key} left at ${percent} %`);
        was = is;
      }
      assert.ok(was);
    }
  });

  test("splits with different salts are independent of each other", () => {
    const shares = [0.7, 0.2, 0.1];
    const targets = weighted(shares);
    const salts = ["a", "b", "resnet", "resnet-50", ""];
    for (const [index, one] of salts.entries()) {
      for (const other of salts.slice(index + 1)) {
        const together = new Map<string, number>();
        for (let key = 0; key < 20_000; key++) {
          const pair = [one, other].map((salt) => chooseByWeight(salt, `user-${key}`, targets)?.id).join();
          together.set(pair, (together.get(pair) ?? 0) + 1);
        }
        let chiSquare = 0;
        for (const [a, shareA] of shares.entries()) {
          for (const [b, shareB] of shares.entries()) {
            const expected = 20_000 * shareA * shareB;
            chiSquare += ((together.get(`${a + 1},${b + 1}`) ?? 0) - expected) ** 2 / expected;
          }
        }
        assert.ok(chiSquare < 26.1, `"${one}" and "${other}": ${chiSquare}; 26.1 is exceeded once in a thousand`);
      }
    }
  });

  test("a hash that is the lowest or the highest is one like others", () => {
    for (const [id, hash] of [["qjlyboe6o", 0] as const, ["9jimfa5mn", 2 ** 32 - 1] as const]) {
      assert.equal(stableHash(`1:s4:user9:${id}`), hash);
      assert.equal(chooseByWeight("s", "user", [{ id, weight: 1 }])?.id, id);
    }
    assert.equal(stableHash("1:s4:user9:bf6kts361"), 0);
    const equal = [
      { id: "bf6kts361", weight: 2 },
      { id: "qjlyboe6o", weight: 1 },
    ];
    assert.equal(chooseByWeight("s", "user", equal)?.id, "bf6kts361");
  });

  test("of two targets with the same hash the same one has the key, in either order", () => {
    const twins = ["67bqtn8oz", "c95u5bgdx"].map((id) => ({ id, weight: 1 }));
    for (const { id } of twins) assert.equal(stableHash(`1:s4:user9:${id}`), 0x12345678);
    assert.equal(chooseByWeight("s", "user", twins)?.id, "c95u5bgdx");
    assert.equal(chooseByWeight("s", "user", twins.toReversed())?.id, "c95u5bgdx");
  });

  test("what is salt and what is key is told apart", () => {
    const targets = weighted([1, 1]);
    const choices = (split: (key: string) => [salt: string, key: string]) =>
      Array.from({ length: 64 }, (_, key) => chooseByWeight(...split(`${key}`), targets)?.id);
    assert.notDeepEqual(
      choices((key) => ["ab", `c${key}`]),
      choices((key) => ["a", `bc${key}`]),
    );
  });
});
