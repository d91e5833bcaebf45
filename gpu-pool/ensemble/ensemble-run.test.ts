import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { realClock } from "../scheduler/real-clock.ts";
import { EnsembleRun } from "./ensemble-run.ts";
import { ScriptedMember } from "./scripted-member.ts";

const tensor = (name: string, value: number): Tensor => ({
  ...{ name, datatype: "UINT8", shape: [1], bytes: Uint8Array.of(value) },
});
const demand = { tenant: "", priority: "default", deadline: 1_000, maxRows: 0 } as const;

/** Steps that each read of some of those before, or of the input alone. */
const graphs = fc
  .integer({ min: 1, max: 10 })
  .chain((size) =>
    fc.tuple(
      ...Array.from({ length: size }, (_, step) =>
        step === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.nat(step - 1), { maxLength: 3 }),
      ),
    ),
  );

test("whatever the graph and the order of answers: each step is asked once, with what is there, and the answer is right", async () => {
  await fc.assert(
    fc.asyncProperty(
      graphs,
      fc.infiniteStream(fc.nat()),
      fc.option(fc.nat(9), { nil: undefined }),
      async (needs, choices, failing) => {
        const members = needs.map((_, step) => new ScriptedMember(`m${step}`));
        const steps = members.map((member, step) => ({
          ...{ model: `m${step}`, version: "1", member, afterMs: 0 },
          inputs: (needs[step]?.length ? needs[step].map((one) => `t${one}`) : ["x"]).map(
            (name) => [name, name] as const,
          ),
          outputs: [["out", `t${step}`] as const],
        }));
        let over = 0;
        const run = new EnsembleRun([tensor("x", 1)], {
          ...{ steps, wanted: needs.map((_, step) => `t${step}`), demand },
          preparing: { clock: realClock, caller: { gone: false } },
          onOver: () => over++,
        });
        const outcome = run.result.then(
          ({ result }) => result.outputs.map(({ bytes }) => bytes[0]),
          (error: unknown) => error,
        );
        // A step makes one more than the sum of what it reads, so that its value tells what it was given.
        const wanted: number[] = [];
        for (const before of needs) {
          wanted.push((before.length ? before.reduce((sum, one) => sum + (wanted[one] ?? 0), 0) : 1) + 1);
        }
        const answered = new Set<number>();
        while (answered.size < members.length && over === 0) {
          const asked = members.flatMap(({ asked }, step) => (asked.length > 0 && !answered.has(step) ? [step] : []));
          for (const step of asked) assert.ok(needs[step]?.every((one) => answered.has(one)));
          const step = asked[choices.next().value % asked.length];
          assert.ok(step !== undefined, "nothing runs and nothing is over");
          answered.add(step);
          const [request] = members[step]?.asked ?? [];
          if (step === failing) request?.fail(new WarmgateError("overloaded", "too much"));
          else {
            const sum = request?.inputs.reduce((total, { bytes }) => total + (bytes[0] ?? 0), 0) ?? 0;
            request?.answer([tensor("out", (sum + 1) % 256)]);
          }
          await setImmediate();
        }
        const outputs = await outcome;
        if (failing !== undefined && failing < members.length) {
          assert.ok(outputs instanceof WarmgateError && outputs.message.startsWith(`step m${failing}/1: `));
        } else
          assert.deepEqual(
            outputs,
            wanted.map((value) => value % 256),
          );
        assert.equal(over, 1);
        for (const { asked } of members) assert.ok(asked.length <= 1);
      },
    ),
    { numRuns: 60 },
  );
});
