/** Models whose answer is their input: of those in test/models/basic the ones whose elements can be told apart in JSON. */
import { createHash } from "node:crypto";
import type { DescribedModel } from "../../../gpu-pool/server/node-description.ts";
import type { Datatype } from "../../../shared/protocol/datatype.ts";
import type { Tensor } from "../../../shared/protocol/tensor.ts";
import type { Question } from "./client-record.ts";

export interface IdentityModel {
  readonly name: string;
  readonly datatype: Datatype;
}

export const IDENTITY_MODELS: readonly IdentityModel[] = [
  { name: "identity_fp32", datatype: "FP32" },
  { name: "identity_int64", datatype: "INT64" },
  { name: "identity_string", datatype: "BYTES" },
];

export const IDENTITY_INPUT = "INPUT0";
export const IDENTITY_OUTPUT = "OUTPUT0";

/** What the model is asked with these numbers, and what it owes. */
export function identityQuestion({ datatype }: IdentityModel, numbers: readonly number[]): Question {
  const data = datatype === "BYTES" ? numbers.map(String) : numbers;
  const tensor = { datatype, shape: [1, data.length], data };
  return {
    input: { name: IDENTITY_INPUT, ...tensor },
    expected: { kind: "outputs", outputs: [{ name: IDENTITY_OUTPUT, ...tensor }] },
  };
}

/** A model as a node describes it, and what it answers. */
export interface FakeModel extends DescribedModel {
  readonly answer: (inputs: readonly Tensor[]) => readonly Tensor[];
}

/** @param digest of the artefact, in hex; to stand beside a real node it must be that node's */
export function identityModel({ name, datatype }: IdentityModel, digest = digestOf(name)): FakeModel {
  const shape = [-1, -1];
  return {
    identity: { name, version: "1", digest, provider: "cpu", description: "", deterministic: true },
    maxBatch: 8,
    signature: {
      inputs: [{ name: IDENTITY_INPUT, datatype, shape }],
      outputs: [{ name: IDENTITY_OUTPUT, datatype, shape }],
    },
    answer: (inputs) => inputs.map((input) => ({ ...input, name: IDENTITY_OUTPUT })),
  };
}

function digestOf(name: string): string {
  return createHash("sha256").update(name).digest("hex");
}
