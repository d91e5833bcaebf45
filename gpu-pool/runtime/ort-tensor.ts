/**
 * Between the protocol's binary tensor data and ONNX Runtime's tensors.
 *
 * Numbers are never copied when the bytes are aligned for their type. FP16 stays as bits (Uint16Array). ONNX
 * Runtime's strings are JavaScript strings, so a BYTES element that is not UTF-8 cannot be given to a model; it is
 * refused rather than altered.
 */
import { Tensor as OrtTensor } from "onnxruntime-node";
import { decodeBytesElements, encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { type Datatype, ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";

type Numeric = Exclude<Datatype, "BYTES" | "BF16">;

const MAKE: Readonly<Record<Numeric, (buffer: ArrayBuffer, dims: readonly number[]) => OrtTensor>> = {
  BOOL: (buffer, dims) => new OrtTensor("bool", new Uint8Array(buffer), dims),
  UINT8: (buffer, dims) => new OrtTensor("uint8", new Uint8Array(buffer), dims),
  UINT16: (buffer, dims) => new OrtTensor("uint16", new Uint16Array(buffer), dims),
  UINT32: (buffer, dims) => new OrtTensor("uint32", new Uint32Array(buffer), dims),
  UINT64: (buffer, dims) => new OrtTensor("uint64", new BigUint64Array(buffer), dims),
  INT8: (buffer, dims) => new OrtTensor("int8", new Int8Array(buffer), dims),
  INT16: (buffer, dims) => new OrtTensor("int16", new Int16Array(buffer), dims),
  INT32: (buffer, dims) => new OrtTensor("int32", new Int32Array(buffer), dims),
  INT64: (buffer, dims) => new OrtTensor("int64", new BigInt64Array(buffer), dims),
  FP16: (buffer, dims) => new OrtTensor("float16", new Uint16Array(buffer), dims),
  FP32: (buffer, dims) => new OrtTensor("float32", new Float32Array(buffer), dims),
  FP64: (buffer, dims) => new OrtTensor("float64", new Float64Array(buffer), dims),
};

/** A tensor whose bytes own their buffer, so that it can change threads without a copy. */
export interface TransferableTensor extends Omit<Tensor, "bytes"> {
  readonly buffer: ArrayBuffer;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** @throws WarmgateError `invalid_data` for strings that are not UTF-8, `not_implemented` for BF16 */
export function toOrtTensor(tensor: TransferableTensor): OrtTensor {
  const { datatype, shape, buffer } = tensor;
  if (datatype === "BF16") {
    throw new WarmgateError("not_implemented", `input '${tensor.name}': this runtime has no BF16 tensors`);
  }
  if (datatype !== "BYTES") return MAKE[datatype](buffer, shape);
  const count = shape.reduce((product, size) => product * size, 1);
  const strings = decodeBytesElements(new Uint8Array(buffer), count).map((element) => {
    // ONNX Runtime takes strings as C strings: what follows a NUL would be lost without a word.
    if (element.includes(0))
      throw new WarmgateError("invalid_data", `input '${tensor.name}' has an element with a NUL`);
    try {
      return strictUtf8.decode(element);
    } catch {
      throw new WarmgateError("invalid_data", `input '${tensor.name}' has an element that is not UTF-8`);
    }
  });
  return new OrtTensor("string", strings, shape);
}

/** @throws Error when the runtime's tensor is not of the datatype that the signature promises */
export function fromOrtTensor(name: string, datatype: Datatype, tensor: OrtTensor): TransferableTensor {
  const shape = [...tensor.dims];
  if (datatype === "BYTES") {
    if (!Array.isArray(tensor.data)) throw new Error(`output '${name}' came as ${tensor.type}`);
    const { buffer } = encodeBytesElements(tensor.data.map((text) => utf8.encode(text)));
    return { name, datatype, shape, buffer: owned(buffer, 0, buffer.byteLength) };
  }
  const { data } = tensor;
  if (!ArrayBuffer.isView(data) || datatype === "BF16" || data.BYTES_PER_ELEMENT !== ELEMENT_BYTES[datatype]) {
    throw new Error(`output '${name}' came as ${tensor.type}`);
  }
  return { name, datatype, shape, buffer: owned(data.buffer, data.byteOffset, data.byteLength) };
}

/** The buffer itself when the view covers all of it, else a copy of the part. */
function owned(buffer: ArrayBufferLike, byteOffset: number, byteLength: number): ArrayBuffer {
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && buffer.byteLength === byteLength) return buffer;
  const copy = new ArrayBuffer(byteLength);
  new Uint8Array(copy).set(new Uint8Array(buffer, byteOffset, byteLength));
  return copy;
}
