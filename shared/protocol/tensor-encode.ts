import { dataJson } from "./json-data.ts";
import { shapeText } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Tensors as the JSON texts of their entries and the blobs that follow the JSON, in the same order. */
export interface EncodedTensors {
  readonly entries: readonly string[];
  readonly blobs: readonly Uint8Array[];
}

/**
 * @param isBinary which tensors go as binary tensor data; the others become JSON
 * @throws WarmgateError `non_finite_output`, `binary_required` for what JSON cannot carry
 */
export function encodeTensors(tensors: readonly Tensor[], isBinary: (tensor: Tensor) => boolean): EncodedTensors {
  const entries: string[] = [];
  const blobs: Uint8Array[] = [];
  for (const tensor of tensors) {
    const binary = isBinary(tensor);
    // perf_analyzer fails on an output whose `parameters` lack binary_data_size, so JSON data goes without any.
    const payload = binary ? `"parameters":{"binary_data_size":${tensor.bytes.length}}` : `"data":${dataJson(tensor)}`;
    if (binary) blobs.push(tensor.bytes);
    entries.push(
      `{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}","shape":${shapeText(tensor.shape)},${payload}}`,
    );
  }
  return { entries, blobs };
}
