import { DOUBLE, integerTensor, model, node, valueInfo } from "./onnx-protobuf.ts";

/** Memory that an element of the detour takes on its way, in bytes: 128 MiB. */
export const DETOUR_BYTES = 8 * 2 ** 24;

/**
 * `input` FP64 [rows, columns] -> `output`, the same, by way of {@link DETOUR_BYTES} of the device's memory for each element.
 * No tensor of ONNX Runtime's CUDA kernels may have more than 2^31 elements: 127 of these.
 */
export function detourModel(): Uint8Array {
  return model({
    nodes: [
      node("Unsqueeze", ["input", "last"], ["narrow"]),
      node("Expand", ["narrow", "width"], ["wide"]),
      node("Slice", ["wide", "first", "second", "last"], ["back"]),
      node("Squeeze", ["back", "last"], ["output"]),
    ],
    initializers: [
      integerTensor("last", [2]),
      integerTensor("width", [1, 1, DETOUR_BYTES / 8]),
      integerTensor("first", [0]),
      integerTensor("second", [1]),
    ],
    inputs: [valueInfo("input", DOUBLE, ["rows", "columns"])],
    outputs: [valueInfo("output", DOUBLE, ["rows", "columns"])],
  });
}

/** Elements that tell rows and columns apart. */
export function detourRequest(rows: number, columns: number) {
  const data = Array.from({ length: rows * columns }, (_, index) => index + 0.5);
  return { inputs: [{ name: "input", datatype: "FP64", shape: [rows, columns], data }] };
}
