import { checkBytesElements } from "./bytes-elements.ts";
import { DATATYPES, type Datatype, ELEMENT_BYTES, isDatatype } from "./datatype.ts";
import { quoted, readList, readObject, readParameters, readText } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import type { JsonDocument } from "./json-document.ts";
import { packElements } from "./json-elements.ts";
import { rowsOf } from "./json-rows.ts";
import type { CodecLimits } from "./limits.ts";
import { elementCount, readShape } from "./shape.ts";
import type { Parameters, Tensor } from "./tensor.ts";

/** Which list of the message: `inputs` of a request, `outputs` of a response. */
type TensorList = "inputs" | "outputs";

/**
 * Reads one list of tensors of a message together with the binary part of its body, which must be used up to the last
 * byte: blobs stand in the order of the tensors, and tensors with JSON data have none.
 *
 * Binary tensors are views of the body. Work and memory are bounded by the length of the body: a shape or a length that
 * claims more than came is refused before anything is allocated for it.
 *
 * @throws WarmgateError `invalid_request`, `invalid_shape`, `invalid_data`, `non_finite`, `binary_required`,
 * `not_implemented`
 */
export function decodeTensors(
  list: TensorList,
  document: JsonDocument,
  binary: Uint8Array,
  limits: CodecLimits,
): Tensor[] {
  const items = listOf(list, document.value, limits);
  const tensors: Tensor[] = [];
  let used = 0;
  for (let index = 0; index < items.length; index++) {
    const place = `${list}[${index}]`;
    const item = readObject(items[index], place);
    const name = readText(item.name, `${place}.name`);
    const what = `${list === "inputs" ? "input" : "output"} ${quoted(name)}`;
    const datatype = item.datatype;
    if (!isDatatype(datatype)) {
      throw new WarmgateError("invalid_request", `${what} must have a datatype: ${DATATYPES.join(", ")}`);
    }
    const shape = readShape(item.shape, what, limits);
    const count = elementCount(shape, limits, what);
    const size = binaryDataSize(item.parameters, what);
    const hasData = item.data !== undefined && item.data !== null;
    if (hasData === (size !== undefined)) {
      const found = hasData ? "not both" : "and has neither";
      throw new WarmgateError("invalid_request", `${what} must have data or binary_data_size, ${found}`);
    }
    let bytes: Uint8Array;
    if (size === undefined) {
      const exactRows = () =>
        rowsOf(readObject(listOf(list, document.exact(), limits)[index], place).data, shape, count, what);
      bytes = packElements(datatype, rowsOf(item.data, shape, count, what), count, exactRows, what);
    } else {
      checkSize(size, datatype, count, binary.length - used, what);
      bytes = binary.subarray(used, used + size);
      checkElements(bytes, datatype, count, what);
      used += size;
    }
    tensors.push({ name, datatype, shape, bytes });
  }
  if (used !== binary.length) {
    throw new WarmgateError(
      "invalid_data",
      `the body has ${binary.length - used} bytes more binary data than its tensors declare`,
    );
  }
  return tensors;
}

function listOf(list: TensorList, root: unknown, limits: CodecLimits): readonly unknown[] {
  return readList(readObject(root, "the body")[list], list, limits.maxTensors);
}

function binaryDataSize(value: unknown, what: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const parameters = readParameters(value, `parameters of ${what}`);
  refuseSharedMemory(parameters, what);
  const size = parameters.binary_data_size;
  if (size === undefined) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new WarmgateError("invalid_request", `binary_data_size of ${what} must be a whole number from 0`);
  }
  return size;
}

/** @throws WarmgateError `not_implemented` when a tensor is said to lie in shared memory */
export function refuseSharedMemory(parameters: Parameters, what: string): void {
  for (const key of Object.keys(parameters)) {
    if (key.startsWith("shared_memory_")) {
      throw new WarmgateError("not_implemented", `${what} uses shared memory, which is not served`);
    }
  }
}

function checkSize(size: number, datatype: Datatype, count: number, left: number, what: string): void {
  if (datatype !== "BYTES" && size !== count * ELEMENT_BYTES[datatype]) {
    throw new WarmgateError(
      "invalid_data",
      `binary_data_size of ${what} is ${size}, but its shape and datatype take ${count * ELEMENT_BYTES[datatype]} bytes`,
    );
  }
  if (size > left) {
    const hint = left === 0 ? "; is Inference-Header-Content-Length missing?" : "";
    throw new WarmgateError(
      "invalid_data",
      `binary_data_size of ${what} is ${size}, but ${left} bytes of binary data are left${hint}`,
    );
  }
}

/** Checks binary data as far as its datatype can be wrong at all. */
export function checkElements(bytes: Uint8Array, datatype: Datatype, count: number, what: string): void {
  if (datatype === "BYTES") checkBytesElements(bytes, count, what);
  if (datatype !== "BOOL") return;
  for (let at = 0; at < bytes.length; at++) {
    if ((bytes[at] ?? 0) > 1) {
      throw new WarmgateError("invalid_data", `element ${at} of ${what} is a BOOL that is neither 0 nor 1`);
    }
  }
}
