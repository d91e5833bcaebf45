/** What Python's onnxruntime answers for the models of test/models: `cases.json`, read and made comparable. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { decodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { DATATYPES, type Datatype } from "../../shared/protocol/datatype.ts";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { InferenceRequest, Tensor } from "../../shared/protocol/tensor.ts";

const datatype = z.enum(DATATYPES);
const value = z.union([z.number(), z.string(), z.boolean()]);
const expectedOutput = z.object({ name: z.string(), datatype, shape: z.array(z.int()), data: z.array(value) });
const caseSchema = z.object({
  repository: z.enum(["basic", "exporters"]),
  model: z.string(),
  request: z.looseObject({ inputs: z.array(z.unknown()) }).nullable(),
  binary: z
    .object({
      inputs: z.array(z.object({ name: z.string(), shape: z.array(z.int()), datatype, hex: z.string() })),
      outputs: z.array(z.object({ name: z.string(), hex: z.string() })),
    })
    .optional(),
  outputs: z.array(expectedOutput),
});

export type ModelCase = z.infer<typeof caseSchema>;
export type ExpectedOutput = z.infer<typeof expectedOutput>;

export const MODEL_CASES: readonly ModelCase[] = z
  .array(caseSchema)
  .parse(JSON.parse(readFileSync(new URL("../models/cases.json", import.meta.url), "utf8")));

/** The case's inputs as a decoded request that wants its outputs in binary form. */
export function binaryRequestOf({ request, binary }: ModelCase): InferenceRequest {
  const inputs = binary
    ? binary.inputs.map(({ hex, ...tensor }): Tensor => ({ ...tensor, bytes: Buffer.from(hex, "hex") }))
    : decodeInferenceRequest(Buffer.from(JSON.stringify(request)), null).inputs;
  return { inputs, parameters: {}, binaryOutput: true };
}

/** Whether JSON can hold every output: all numbers finite, no half precision, no whole number that JSON would round. */
export function hasJsonOutputs({ outputs }: ModelCase): boolean {
  return outputs.every(
    ({ datatype: type, data }) =>
      type !== "FP16" &&
      data.every((element) => type === "BYTES" || typeof element !== "string") &&
      data.every((element) => typeof element !== "number" || !/INT64/.test(type) || Number.isSafeInteger(element)),
  );
}

/** Fails unless the values are the expected ones: floats within rounding, all else exactly. */
export function assertValues(expected: ExpectedOutput, actual: readonly unknown[], what: string): void {
  assert.equal(actual.length, expected.data.length, what);
  const tolerance = { FP16: 1e-3, FP32: 1e-5, FP64: 1e-5 }[String(expected.datatype)];
  expected.data.forEach((wanted, index) => {
    const given = actual[index];
    if (tolerance === undefined) {
      assert.equal(typeof given === "bigint" ? Number(given) : given, wanted, `${what}[${index}]`);
      return;
    }
    const number = Number(wanted);
    assert.ok(
      typeof given === "number" &&
        (Object.is(given, number) || Math.abs(given - number) <= tolerance * Math.max(1e-6, Math.abs(number))),
      `${what}[${index}]: ${String(given)} instead of ${wanted}`,
    );
  });
}

/** The elements of a tensor in binary form. */
export function elementsOf({ datatype: type, bytes, shape }: Tensor): unknown[] {
  const count = shape.reduce((product, size) => product * size, 1);
  if (type === "BYTES") return decodeBytesElements(bytes, count).map((element) => Buffer.from(element).toString());
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = bytes.byteLength / count;
  return Array.from({ length: count }, (_, index) => READ[type](view, index * width));
}

const READ: Readonly<Record<Exclude<Datatype, "BYTES">, (view: DataView, at: number) => unknown>> = {
  BOOL: (view, at) => view.getUint8(at) === 1,
  UINT8: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  UINT64: (view, at) => view.getBigUint64(at, true),
  INT8: (view, at) => view.getInt8(at),
  INT16: (view, at) => view.getInt16(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  INT64: (view, at) => view.getBigInt64(at, true),
  FP16: (view, at) => halfToNumber(view.getUint16(at, true)),
  BF16: (view, at) => view.getUint16(at, true),
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
};

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
