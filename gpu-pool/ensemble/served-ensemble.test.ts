import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import type { Demand } from "../runtime/served-model.ts";
import { realClock } from "../scheduler/real-clock.ts";
import { type Asked, ScriptedMember } from "./scripted-member.ts";
import { ServedEnsemble } from "./served-ensemble.ts";

const METRICS = { answered: () => undefined, waited: () => undefined, ran: () => undefined };
const spec = (name: string) => ({ name, datatype: "UINT8" as const, shape: [-1] });
const tensor = (name: string, ...bytes: number[]): Tensor => ({
  ...{ name, datatype: "UINT8", shape: [bytes.length], bytes: Uint8Array.from(bytes) },
});
const request = (...outputs: string[]) => ({
  parameters: {},
  inputs: [tensor("x", 7)],
  binaryOutput: true,
  outputs: outputs.map((name) => ({ name, binary: true })),
});

/** x -> left -> l, x -> right -> r, (l, r) -> join -> j, x -> other -> o. */
class Diamond {
  readonly left = new ScriptedMember("left");
  readonly right = new ScriptedMember("right");
  readonly join = new ScriptedMember("join");
  readonly other = new ScriptedMember("other");
  readonly members = [this.left, this.right, this.join, this.other];
  readonly ensemble: ServedEnsemble;

  constructor() {
    const step = (member: ScriptedMember, reads: readonly string[], makes: string) => ({
      ...{ model: member.identity.name, version: "1", member },
      inputs: reads.map((name) => [`in_${name}`, name] as const),
      outputs: [["out", makes] as const, ["unread", `${makes}_unread`] as const],
    });
    const identity = { ...this.left.identity, name: "diamond", digest: "d" };
    const steps = [
      step(this.left, ["x"], "l"),
      step(this.right, ["x"], "r"),
      step(this.join, ["l", "r"], "j"),
      step(this.other, ["x"], "o"),
    ];
    const signature = { inputs: [spec("x")], outputs: [spec("j"), spec("o")] };
    this.ensemble = new ServedEnsemble(identity, { signature, maxBatch: 8, steps }, METRICS);
  }

  ask(outputs: readonly string[], demand: Partial<Demand> = {}, caller = { gone: false }) {
    const whole: Demand = { tenant: "acme", priority: "critical", deadline: 1_000, maxRows: 0, ...demand };
    return this.ensemble.accept(request(...outputs), whole, { clock: realClock, caller });
  }

  get held(): number {
    return this.members.reduce((sum, { held }) => sum + held, 0);
  }
}

const code = (wanted: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof WarmgateError);
  assert.equal(error.code, wanted);
  assert.match(error.message, text);
  return true;
};

describe("a request to an ensemble", () => {
  let diamond: Diamond;
  const only = (member: ScriptedMember): Asked => {
    assert.equal(member.asked.length, 1, `${member.identity.name} was asked ${member.asked.length} times`);
    const [asked] = member.asked;
    assert.ok(asked);
    return asked;
  };
  beforeEach(() => {
    diamond = new Diamond();
  });

  test("is answered with the last step's output, each step given what its members made", async () => {
    const { result } = diamond.ask(["j"]);
    assert.deepEqual(only(diamond.left).inputs, [tensor("in_x", 7)]);
    only(diamond.left).answer([tensor("out", 1)]);
    only(diamond.right).answer([tensor("out", 2)]);
    await setImmediate();
    assert.deepEqual(only(diamond.join).inputs, [tensor("in_l", 1), tensor("in_r", 2)]);
    only(diamond.join).answer([tensor("out", 3)]);
    assert.deepEqual((await result).result.outputs, [tensor("j", 3)]);
  });

  test("submits at once all steps that wait for nothing, and no step before what it reads is there", async () => {
    diamond.ask(["o", "j"]).result.catch(() => undefined);
    assert.deepEqual(
      diamond.members.map(({ asked }) => asked.length),
      [1, 1, 0, 1],
    );
    only(diamond.left).answer([tensor("out", 1)]);
    await setImmediate();
    assert.equal(diamond.join.asked.length, 0);
  });

  test("runs no step and asks for no output that no wanted output comes from", () => {
    diamond.ask(["j"]).result.catch(() => undefined);
    assert.equal(diamond.other.asked.length, 0);
    assert.deepEqual(only(diamond.left).outputs, ["out"]);
  });

  test("is answered in the order in which outputs were asked for, with rows and times of all steps together", async () => {
    const ticket = diamond.ask(["o", "j"]);
    only(diamond.other).answer([tensor("out", 9)], { batchRows: 5 });
    only(diamond.left).answer([tensor("out", 1)]);
    only(diamond.right).answer([tensor("out", 2)]);
    await setImmediate();
    only(diamond.join).answer([tensor("out", 3)]);
    const { result, ...times } = await ticket.result;
    assert.deepEqual(
      result.outputs.map(({ name }) => name),
      ["o", "j"],
    );
    assert.deepEqual(
      { ...times, computeMs: result.computeMs, rows: ticket.rows },
      {
        ...{ queuedMs: 8, batchRows: 5, deviceMs: 16, computeMs: 4, rows: 4 },
      },
    );
  });

  test("hands on tenant and priority, and leaves each step the time that those behind it take at least", () => {
    diamond.join.runMs = 30;
    diamond.ask(["o", "j"], { deadline: 500 }).result.catch(() => undefined);
    const { demand } = only(diamond.left);
    assert.deepEqual(demand, { tenant: "acme", priority: "critical", deadline: 470, maxRows: 0 });
    assert.equal(only(diamond.other).demand.deadline, 500);
  });

  test("fails with the first step's error, its code kept and the step named; what waits is taken back", async () => {
    const { result } = diamond.ask(["j"]);
    only(diamond.left).fail(new WarmgateError("overloaded", "too much", { retryAfterSeconds: 3 }));
    await assert.rejects(result, (error: unknown) => {
      assert.ok(error instanceof WarmgateError);
      assert.equal(error.retryAfterSeconds, 3);
      return code("overloaded", /^step left\/1: too much$/)(error);
    });
    assert.equal(only(diamond.right).cancelled, true);
    assert.equal(diamond.join.asked.length, 0);
    assert.equal(diamond.held, 0);
  });

  test("that is refused by its first step submits no other", async () => {
    diamond.left.refusal = new WarmgateError("deadline_unreachable", "no time");
    await assert.rejects(diamond.ask(["j"]).result, code("deadline_unreachable", /left/));
    assert.equal(diamond.right.asked.length, 0);
  });

  test("that is cancelled takes back what waits and submits nothing more", async () => {
    const ticket = diamond.ask(["j"]);
    only(diamond.left).answer([tensor("out", 1)]);
    await setImmediate();
    const { cancel } = ticket;
    cancel();
    await assert.rejects(ticket.result, code("deadline_exceeded", /gone/));
    assert.equal(only(diamond.right).cancelled, true);
    await setImmediate();
    assert.equal(diamond.join.asked.length, 0);
    assert.equal(diamond.held, 0);
  });

  test("whose member does not make what it promised fails, and is answered", async () => {
    const { result } = diamond.ask(["o"]);
    only(diamond.other).answer([]);
    await assert.rejects(result, code("internal", /step other\/1/));
  });

  test("holds its members until it is over", async () => {
    const { result } = diamond.ask(["o"]);
    assert.equal(diamond.held, diamond.members.length);
    only(diamond.other).answer([tensor("out", 9)]);
    await result;
    assert.equal(diamond.held, 0);
  });

  test("is refused while a member is leaving, and holds none of the others", () => {
    diamond.join.leaving = true;
    assert.throws(() => diamond.ask(["o"]), code("model_not_ready", /^join\/1, a step of 'diamond'/));
    assert.equal(diamond.held, 0);
  });

  test("of more rows than all members take, or the tenant may send, is refused before any step", () => {
    const inputs = [tensor("x", 1, 2, 3, 4, 5, 6, 7, 8, 9)];
    const demand: Demand = { tenant: "", priority: "default", deadline: 1_000, maxRows: 0 };
    const ask = (maxRows: number, of: readonly Tensor[]) =>
      diamond.ensemble.accept(
        { ...request("o"), inputs: of },
        { ...demand, maxRows },
        { clock: realClock, caller: { gone: false } },
      );
    assert.throws(() => ask(0, inputs), code("batch_too_large", /9 rows; the largest this ensemble takes is 8/));
    assert.throws(() => ask(1, [tensor("x", 1, 2)]), code("batch_too_large", /2 rows, this tenant/));
    assert.equal(diamond.other.asked.length, 0);
  });

  test("counts at the ensemble once, and at each member that it asked", async () => {
    const { result } = diamond.ask(["o"]);
    only(diamond.other).answer([tensor("out", 9)]);
    await result;
    assert.equal(diamond.other.statistics.success.count, 1);
    assert.equal(diamond.left.statistics.success.count, 0);
    assert.deepEqual([diamond.ensemble.statistics.executions, diamond.ensemble.statistics.rows], [1, 1]);
  });
});
