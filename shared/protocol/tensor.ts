import type { Datatype } from "./datatype.ts";
import type { ValueRange } from "./value-range.ts";

/**
 * A tensor as both sides hold it: the payload stays in the protocol's binary form (little-endian, row-major, no
 * padding; a BYTES element is a 4-byte little-endian length and that many bytes). One form serves for forwarding,
 * hashing and batching, and JSON is only ever a view made at the border.
 */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  /** Every dimension, the batch dimension included. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** One input or output as a model declares it; -1 is a dimension that varies. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Of an input of numbers: those that its owner lets callers send. Left out, all. */
  readonly range?: ValueRange | undefined;
}

/** What a model version takes and gives. */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export type ParameterValue = string | number | boolean;
export type Parameters = Readonly<Record<string, ParameterValue>>;

export interface RequestedOutput {
  readonly name: string;
  /** Whether the caller wants this output as binary tensor data. */
  readonly binary: boolean;
}

export interface InferenceRequest {
  readonly id?: string;
  readonly parameters: Parameters;
  readonly inputs: readonly Tensor[];
  /** Absent: all outputs, in the form that `binaryOutput` says. */
  readonly outputs?: readonly RequestedOutput[];
  /** The request's `binary_data_output`: the form of outputs that are not listed. */
  readonly binaryOutput: boolean;
}

export interface InferenceResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly outputs: readonly Tensor[];
}
