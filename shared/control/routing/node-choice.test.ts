import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { chooseOfTwo, predictedWaitMs } from "./node-choice.ts";

const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const self = (wait: number) => wait;
/** Hands out the given draws, and fails at one more. */
function drawing(...draws: number[]): () => number {
  const left = draws.values();
  return () => left.next().value ?? assert.fail("drew more than two numbers");
}

/** Linear congruential generator (Numerical Recipes). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("the predicted wait", () => {
  test("is the node's word when nothing is outstanding", () => {
    assert.equal(predictedWaitMs({ waitMs: 12, runMs: 8, slots: 2, outstanding: 0 }), 12);
  });

  test("grows with what was sent from here, as fast as the node's slots work it off", () => {
    assert.equal(predictedWaitMs({ waitMs: 12, runMs: 8, slots: 2, outstanding: 3 }), 24);
  });
});

describe("the choice of two", () => {
  test("no node, none; one node, that one", () => {
    assert.equal(chooseOfTwo([], self, drawing()), undefined);
    assert.equal(chooseOfTwo([7], self, drawing()), 7);
  });

  test("the worst node is never chosen", () => {
    const others = fc.array(fc.nat(9), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(others, fc.nat(30), draw, draw, (others, place, one, two) => {
        const nodes = others.toSpliced(place % (others.length + 1), 0, 10);
        assert.notEqual(chooseOfTwo(nodes, self, drawing(one, two)), 10);
      }),
    );
  });

  test("equal waits go to the first drawn", () => {
    const nodes = ["a", "b", "c", "d"];
    fc.assert(
      fc.property(draw, draw, (one, two) => {
        const chosen = chooseOfTwo(nodes, () => 5, drawing(one, two));
        assert.equal(chosen, nodes[Math.floor(one * 4)]);
      }),
    );
  });

  test("every pair is drawn equally often", () => {
    const nodes = [0, 1, 2, 3, 4];
    const counts = new Map<string, number>();
    for (let one = 0; one < 20; one++) {
      for (let two = 0; two < 20; two++) {
        const drawn: number[] = [];
        const waitOf = (node: number) => drawn.push(node);
        chooseOfTwo(nodes, waitOf, drawing(one / 20, two / 20));
        const pair = drawn.toSorted().join();
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    assert.deepEqual([...counts.values()], Array(10).fill(40));
  });

  test("looks at two nodes, however many there are", () => {
    let looks = 0;
    const nodes = Array.from({ length: 10_000 }, (_, node) => node);
    chooseOfTwo(nodes, () => ++looks, seededRandom(1));
    assert.equal(looks, 2);
  });

  test("the fullest of 100 nodes has 3 requests more than the average at most, by chance more than 20", () => {
    const placed = (choose: (loads: readonly { outstanding: number }[]) => { outstanding: number } | undefined) => {
      const loads = Array.from({ length: 100 }, () => ({ waitMs: 0, runMs: 1, slots: 1, outstanding: 0 }));
      for (let request = 0; request < 10_000; request++) choose(loads)!.outstanding++;
      return Math.max(...loads.map(({ outstanding }) => outstanding)) - 100;
    };
    for (let seed = 1; seed <= 5; seed++) {
      const random = seededRandom(seed);
      const excess = placed((loads) => chooseOfTwo(loads, (load) => load.outstanding, random));
      const byChance = placed((loads) => loads[Math.floor(random() * loads.length)]);
      assert.ok(excess <= 3, `${excess} above the average by two choices`);
      assert.ok(byChance > 20, `${byChance} above the average by chance`);
    }
  });
});
