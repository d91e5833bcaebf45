/** Triton's own example model: OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1, INT32 of shape [-1, 16]. */
import { randomInt } from "node:crypto";
import type { Reply } from "./http-exchange.ts";
import {
  bytesTensor,
  decode,
  encode,
  type Inference,
  type InferenceCall,
  type InputTensor,
  int32Tensor,
} from "./inference.ts";
import { expect, expectSame } from "./rule.ts";
import type { Target } from "./target.ts";

export const WIDTH = 16;

export type Form = "flat" | "nested" | "binary";

export interface SimpleCall {
  readonly inputs: readonly [InputTensor, InputTensor];
  readonly sum: readonly number[];
  readonly difference: readonly number[];
}

function rows(values: readonly number[]): number[][] {
  return Array.from({ length: values.length / WIDTH }, (_, row) => values.slice(row * WIDTH, (row + 1) * WIDTH));
}

/** Random inputs, so that no cache can answer, with the outputs that must come back. */
export function simpleCall(batch = 1, form: readonly [Form, Form] = ["flat", "flat"]): SimpleCall {
  const draw = (): number[] => Array.from({ length: batch * WIDTH }, () => randomInt(-100_000, 100_000));
  const [left, right] = [draw(), draw()];
  const tensor = (name: string, values: number[], as: Form): InputTensor => {
    const head = { name, shape: [batch, WIDTH], datatype: "INT32" };
    if (as === "binary") return { ...head, bytes: int32Tensor(values) };
    return { ...head, data: as === "flat" ? values : rows(values) };
  };
  return {
    inputs: [tensor("INPUT0", left, form[0]), tensor("INPUT1", right, form[1])],
    sum: left.map((value, index) => value + (right[index] ?? 0)),
    difference: left.map((value, index) => value - (right[index] ?? 0)),
  };
}

/** The same model on text: every element is an integer written out. */
export function simpleStringCall(form: "flat" | "binary"): SimpleCall {
  const { inputs, sum, difference } = simpleCall();
  const [first, second] = inputs.map(({ name, shape, data }) => {
    const texts = Array.isArray(data) ? data.map(String) : [];
    const head = { name, shape, datatype: "BYTES" };
    return form === "flat" ? { ...head, data: texts } : { ...head, bytes: bytesTensor(texts) };
  });
  if (first === undefined || second === undefined) throw new Error("a simple call has two inputs");
  return { inputs: [first, second], sum, difference };
}

export function inferPath(model: string, version?: string): string {
  const base = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? `${base}/infer` : `${base}/versions/${encodeURIComponent(version)}/infer`;
}

/** Sends an inference to a model by its unversioned path. */
export function infer(target: Target, model: string, call: InferenceCall): Promise<Reply> {
  const { headers, body } = encode(call);
  return target.send({ method: "POST", path: inferPath(model), headers, body });
}

/** Sends an inference to `simple`; NotApplicable if the target does not have it. */
export async function inferSimple(target: Target, call: InferenceCall): Promise<Reply> {
  await target.require(target.options.simple);
  return infer(target, target.options.simple, call);
}

function int32Values(inference: Inference, name: string): number[] {
  const output = inference.outputs.get(name);
  expect(output !== undefined, `output ${name} is not in the reply`);
  expectSame(output.datatype, "INT32", `datatype of ${name}`);
  if (output.bytes === undefined) return (output.data ?? []).map(Number);
  const bytes = output.bytes;
  expect(bytes.length % 4 === 0, `${name} has ${bytes.length} bytes, which no number of INT32 has`);
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readInt32LE(index * 4));
}

/** Violation unless the reply carries exactly the sum and the difference. */
export function expectAnswer(reply: Reply, call: SimpleCall): Inference {
  const inference = decode(reply);
  expectSame(int32Values(inference, "OUTPUT0"), call.sum, "OUTPUT0 (INPUT0 + INPUT1)");
  expectSame(int32Values(inference, "OUTPUT1"), call.difference, "OUTPUT1 (INPUT0 - INPUT1)");
  for (const output of inference.outputs.values()) {
    expectSame(output.shape, call.inputs[0].shape, `shape of ${output.name}`);
  }
  return inference;
}
