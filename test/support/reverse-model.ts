import { FLOAT, floatTensor, INT64, integerAttribute, model, node, valueInfo } from "./onnx-protobuf.ts";

/** What `lengths` may be. */
export const LONGEST_LENGTH = 4;

/**
 * `lengths` INT64 [1] -> `output` FP32 [1, 4]: 0, 1, 2, 3 of which the first `lengths` are in reverse. A length beyond the four
 * is an error on a CPU; on CUDA one that is far beyond them is an illegal memory access.
 */
export function reverseModel(): Uint8Array {
  const axes = [integerAttribute("batch_axis", 0), integerAttribute("time_axis", 1)];
  return model({
    nodes: [node("ReverseSequence", ["row", "lengths"], ["output"], axes)],
    initializers: [floatTensor("row", [1, LONGEST_LENGTH], new Float32Array([0, 1, 2, 3]))],
    inputs: [valueInfo("lengths", INT64, [1])],
    outputs: [valueInfo("output", FLOAT, [1, LONGEST_LENGTH])],
  });
}

export function reverseRequest(length: number) {
  return { inputs: [{ name: "lengths", datatype: "INT64", shape: [1], data: [length] }] };
}
