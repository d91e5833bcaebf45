import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { TensorSpec } from "../../shared/protocol/tensor.ts";
import { ensembleSchema } from "./ensemble-schema.ts";
import { type Member, planEnsemble } from "./plan-ensemble.ts";

const spec = (name: string, datatype: TensorSpec["datatype"] = "FP32", shape: readonly number[] = [-1, 4]) => ({
  ...{ name, datatype, shape: [...shape] },
});
const ready = (inputs: TensorSpec[], outputs: TensorSpec[], maxBatch = 8, deterministic = true): Member => ({
  ...{ ready: true, signature: { inputs, outputs }, maxBatch, deterministic },
});
const MODELS: Readonly<Record<string, Member>> = {
  "embed/1": ready([spec("text", "BYTES", [-1])], [spec("vector"), spec("norm", "FP32", [-1, 1])]),
  "rank/2": ready([spec("left"), spec("right")], [spec("score", "FP32", [-1, 1])], 4),
  "wide/1": ready([spec("in", "FP32", [-1, 8])], [spec("out")]),
  "alone/1": ready([spec("in", "FP32", [1, 4])], [spec("out", "FP32", [1, 4])], 0, false),
  "same/1": ready([spec("in")], [spec("out")]),
  "gone/1": { ready: false, reason: "is not ready: unloaded" },
};
const look = (model: string, version: string): Member =>
  MODELS[`${model}/${version}`] ?? { ready: false, reason: "is not there" };

const step = (model: string, version: string, inputs: object, outputs: object) => ({ model, version, inputs, outputs });
const same = (from: string, to: string) => step("same", "1", { in: from }, { out: to });
const plan = (json: object, deterministic = false, name = "me") =>
  planEnsemble({ name, deterministic }, ensembleSchema.parse(json), look);

/** What is told of an ensemble that does not fit, fault by fault. */
function faultsOf(json: object, deterministic = false, name = "me"): string[] {
  try {
    plan(json, deterministic, name);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error && error.code === "model_rejected");
    return error.message.replace(/^the ensemble of model.json does not fit: /, "").split("; ");
  }
  return [];
}

const PAIR = {
  inputs: [spec("question", "BYTES", [-1]), spec("answer", "BYTES", [-1])],
  steps: [
    step("rank", "2", { left: "q", right: "a" }, { score: "score" }),
    step("embed", "1", { text: "question" }, { vector: "q" }),
    step("embed", "1", { text: "answer" }, { vector: "a" }),
  ],
  outputs: ["score"],
};

describe("an ensemble", () => {
  test("is planned so that each step follows those it reads of, whatever their order in the file", () => {
    const { steps, signature, maxBatch } = plan(PAIR);
    assert.deepEqual(
      steps.map(({ model }) => model),
      ["embed", "embed", "rank"],
    );
    assert.deepEqual(signature, { inputs: PAIR.inputs, outputs: [spec("score", "FP32", [-1, 1])] });
    assert.equal(maxBatch, 4, "the least of its members");
  });

  test("runs requests alone where a member does, or an input has no free rows", () => {
    const inputs = [spec("x", "FP32", [1, 4])];
    const one = step("alone", "1", { in: "x" }, { out: "y" });
    assert.equal(plan({ inputs, steps: [one], outputs: ["y"] }).maxBatch, 0);
    assert.equal(plan({ inputs, steps: [same("x", "y")], outputs: ["y"] }).maxBatch, 0);
  });

  test("is refused with everything that is wrong at once", () => {
    const json = {
      inputs: [spec("x"), spec("idle")],
      steps: [
        step("nobody", "1", { in: "x" }, { out: "n" }),
        step("gone", "1", { in: "x" }, { out: "g" }),
        step("same", "1", { in: "lost", extra: "x" }, { out: "y" }),
        step("rank", "2", { left: "x" }, { score: "y", other: "o" }),
      ],
      outputs: ["y", "z"],
    };
    assert.deepEqual(faultsOf(json), [
      "steps[0] (nobody/1) is not there",
      "steps[1] (gone/1) is not ready: unloaded",
      "steps[2] (same/1) has no input 'extra': it has 'in'",
      "steps[3] (rank/2) has no output 'other': it has 'score'",
      "steps[3] (rank/2) is not given its input 'right'",
      "steps[3] (rank/2) makes 'y', which steps[2] (same/1) makes already",
      "steps[2] (same/1) reads 'lost', which nothing makes",
      "outputs: 'z' is made by no step",
      "inputs: 'idle' is read by no step",
      "steps[0] (nobody/1) is not used: no output comes from it",
      "steps[1] (gone/1) is not used: no output comes from it",
      "steps[3] (rank/2) is not used: no output comes from it",
    ]);
  });

  test("may not make its own inputs, nor name a tensor twice", () => {
    const json = { inputs: [spec("x"), spec("x")], steps: [same("x", "x")], outputs: ["x", "x"] };
    assert.deepEqual(faultsOf(json), [
      "inputs: 'x' is there twice",
      "outputs: 'x' is there twice",
      "steps[0] (same/1) makes 'x', an input",
      "outputs: 'x' is made by no step",
      "steps[0] (same/1) is not used: no output comes from it",
    ]);
  });

  test("may not be a step of its own", () => {
    const json = { inputs: [spec("x")], steps: [same("x", "y")], outputs: ["y"] };
    assert.deepEqual(faultsOf(json, false, "same"), ["steps[0] (same/1) is this ensemble itself"]);
  });

  test("is refused for a circle, with the way round", () => {
    const steps = [
      step("rank", "2", { left: "x", right: "e" }, { score: "s" }),
      step("wide", "1", { in: "s" }, { out: "v" }),
      step("embed", "1", { text: "v" }, { vector: "e" }),
    ];
    const faults = faultsOf({ inputs: [spec("x")], steps, outputs: ["s"] });
    assert.ok(faults.includes("its steps go in a circle: rank -> wide -> embed -> rank"), faults.join("\n"));
  });

  test("is refused for a circle of two steps of one model, and one of a single step", () => {
    const two = { inputs: [spec("x")], steps: [same("b", "a"), same("a", "b"), same("x", "y")], outputs: ["y", "a"] };
    assert.deepEqual(faultsOf(two), [
      "its steps go in a circle: steps[0] (same/1) -> steps[1] (same/1) -> steps[0] (same/1)",
    ]);
    const one = step("rank", "2", { left: "x", right: "s" }, { score: "s" });
    const [fault = ""] = faultsOf({ inputs: [spec("x")], steps: [one], outputs: ["s"] });
    assert.equal(fault, "its steps go in a circle: rank -> rank");
  });

  test("is refused where a tensor cannot be what the next step takes", () => {
    const steps = [
      step("embed", "1", { text: "t" }, { vector: "v", norm: "n" }),
      step("wide", "1", { in: "v" }, { out: "w" }),
      step("same", "1", { in: "t" }, { out: "s" }),
      step("rank", "2", { left: "n", right: "w" }, { score: "r" }),
    ];
    assert.deepEqual(faultsOf({ inputs: [spec("t", "BYTES", [-1])], steps, outputs: ["s", "r"] }), [
      "steps[1] (wide/1) takes 'in' as FP32 [-1,8], but 'v' is FP32 [-1,4]",
      "steps[2] (same/1) takes 'in' as FP32 [-1,4], but 't' is BYTES [-1]",
      "steps[3] (rank/2) takes 'left' as FP32 [-1,4], but 'n' is FP32 [-1,1]",
    ]);
  });

  test("may not declare an input wider than what its step takes", () => {
    const json = { inputs: [spec("x", "FP32", [-1, -1])], steps: [same("x", "y")], outputs: ["y"] };
    assert.deepEqual(faultsOf(json), ["steps[0] (same/1) takes 'in' as FP32 [-1,4], but 'x' is FP32 [-1,-1]"]);
  });

  test("is deterministic only if all of its members are declared so", () => {
    const steps = [step("alone", "1", { in: "x" }, { out: "y" })];
    const json = { inputs: [spec("x", "FP32", [1, 4])], steps, outputs: ["y"] };
    assert.deepEqual(faultsOf(json), []);
    assert.deepEqual(faultsOf(json, true), ["it is declared deterministic, but steps[0] (alone/1) is not"]);
  });
});

/** Steps that each read of some of those before: for each, the numbers of those it reads of. */
const graphs = fc
  .integer({ min: 1, max: 12 })
  .chain((size) =>
    fc.tuple(
      ...Array.from({ length: size }, (_, step) =>
        fc.uniqueArray(fc.nat(Math.max(0, step - 1)), { maxLength: step === 0 ? 0 : 3 }),
      ),
    ),
  );

/** @param order in which the steps are written down */
function ensembleOf(needs: readonly (readonly number[])[], order: readonly number[]): object {
  const steps = order.map((step) => {
    const reads = needs[step]?.length ? needs[step].map((before) => `t${before}`) : ["x"];
    return numbered(step, reads);
  });
  return { inputs: [spec("x")], steps, outputs: needs.map((_, step) => `t${step}`) };
}
const numbered = (number: number, reads: readonly string[]) =>
  step(`m${number}`, "1", Object.fromEntries(reads.map((tensor) => [tensor, tensor])), { out: `t${number}` });

/** A member that takes whatever it is given. */
const anything = (json: object) => (model: string) => {
  const found = ensembleSchema.parse(json).steps.find((one) => one.model === model);
  return ready(
    Object.keys(found?.inputs ?? {}).map((name) => spec(name)),
    [spec("out")],
  );
};

describe("any graph of steps", () => {
  const shuffled = graphs.chain((needs) =>
    fc.record({
      needs: fc.constant(needs),
      order: fc.shuffledSubarray([...needs.keys()], { minLength: needs.length }),
    }),
  );

  test("without a circle is planned: every step once, behind all that it reads of", () => {
    fc.assert(
      fc.property(shuffled, ({ needs, order }) => {
        const json = ensembleOf(needs, order);
        const { steps } = planEnsemble(
          { name: "me", deterministic: false },
          ensembleSchema.parse(json),
          anything(json),
        );
        const places = steps.map(({ model }) => model);
        assert.deepEqual([...places].sort(), needs.map((_, step) => `m${step}`).sort());
        for (const [step, before] of needs.entries()) {
          for (const one of before) assert.ok(places.indexOf(`m${one}`) < places.indexOf(`m${step}`));
        }
      }),
    );
  });

  test("with an edge that leads back is refused, and the circle that is named is one", () => {
    fc.assert(
      fc.property(shuffled, fc.nat(), fc.nat(), ({ needs, order }, from, to) => {
        const late = from % needs.length;
        // Something that `late` comes from, however far back, or itself.
        const sources = new Set([late]);
        for (const step of sources) for (const before of needs[step] ?? []) sources.add(before);
        const early = [...sources][to % sources.size] ?? late;
        const closed = needs.map((before, step) => (step === early ? [...new Set([...before, late])] : before));
        const json = ensembleOf(closed, order);
        assert.throws(
          () => planEnsemble({ name: "me", deterministic: false }, ensembleSchema.parse(json), anything(json)),
          ({ message }: Error) => {
            const [, way = ""] = /its steps go in a circle: ([^;]+)/.exec(message) ?? [];
            const names = way.split(" -> ").map((name) => Number(name.slice(1)));
            assert.ok(names.length > 1 && names[0] === names.at(-1), message);
            for (const [index, step] of names.slice(1).entries()) {
              assert.ok(closed[step]?.includes(names[index] ?? -1), `${message}: no such edge`);
            }
            return true;
          },
        );
      }),
    );
  });
});
