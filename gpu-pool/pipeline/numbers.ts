import { aligned } from "../../shared/protocol/byte-order.ts";
import { type Datatype, ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import { fp16Bits, fp16Value } from "../../shared/protocol/short-floats.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";

/** Datatypes whose elements are numbers to a pipeline. ONNX Runtime for Node has no BF16. */
export type NumericDatatype = Exclude<Datatype, "BYTES" | "BF16">;

export function isNumeric(datatype: Datatype): datatype is NumericDatatype {
  return datatype !== "BYTES" && datatype !== "BF16";
}

export function isFloat(datatype: Datatype): datatype is "FP16" | "FP32" | "FP64" {
  return datatype === "FP16" || datatype === "FP32" || datatype === "FP64";
}

type Plain = Exclude<NumericDatatype, "FP16" | "INT64" | "UINT64">;
type View = (buffer: ArrayBufferLike, offset?: number, length?: number) => Writable;
/** As `ArrayLike`, to be written to. */
interface Writable {
  readonly length: number;
  [index: number]: number;
}

const VIEWS: Readonly<Record<Plain, View>> = {
  BOOL: (...at) => new Uint8Array(...at),
  UINT8: (...at) => new Uint8Array(...at),
  UINT16: (...at) => new Uint16Array(...at),
  UINT32: (...at) => new Uint32Array(...at),
  INT8: (...at) => new Int8Array(...at),
  INT16: (...at) => new Int16Array(...at),
  INT32: (...at) => new Int32Array(...at),
  FP32: (...at) => new Float32Array(...at),
  FP64: (...at) => new Float64Array(...at),
};

/** Lowest and highest value; a saturated INT64 is the last double below the end. */
const RANGES: Readonly<Record<Exclude<NumericDatatype, "BOOL" | "FP16" | "FP32" | "FP64">, readonly [number, number]>> =
  {
    UINT8: [0, 2 ** 8 - 1],
    UINT16: [0, 2 ** 16 - 1],
    UINT32: [0, 2 ** 32 - 1],
    UINT64: [0, 2 ** 64 - 2 ** 11],
    INT8: [-(2 ** 7), 2 ** 7 - 1],
    INT16: [-(2 ** 15), 2 ** 15 - 1],
    INT32: [-(2 ** 31), 2 ** 31 - 1],
    INT64: [-(2 ** 63), 2 ** 63 - 2 ** 10],
  };

/**
 * A tensor's elements as numbers, without a copy where its bytes are numbers already. Whole numbers beyond 2^53 lose
 * digits.
 *
 * @throws Error for BYTES and BF16, which planning rules out
 */
export function readNumbers({ name, datatype, bytes }: Tensor): ArrayLike<number> {
  if (!isNumeric(datatype)) throw new Error(`'${name}' is ${datatype}, which does not hold numbers`);
  const width = ELEMENT_BYTES[datatype];
  const { buffer, byteOffset } = aligned(bytes, width);
  const length = bytes.byteLength / width;
  switch (datatype) {
    case "FP16":
      return Float32Array.from(new Uint16Array(buffer, byteOffset, length), (bits) => fp16Value(bits));
    case "INT64":
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, length), Number);
    case "UINT64":
      return Float64Array.from(new BigUint64Array(buffer, byteOffset, length), Number);
    default:
      return VIEWS[datatype](buffer, byteOffset, length);
  }
}

/** Somewhere to put numbers that becomes a tensor's bytes. */
export interface NumberSink {
  readonly bytes: Uint8Array;
  /** Whole numbers are cut towards zero and held at the ends of their range; NaN is 0; a BOOL is whether it is not 0. */
  set(index: number, value: number): void;
}

export function numberSink(datatype: NumericDatatype, length: number): NumberSink {
  const bytes = new Uint8Array(length * ELEMENT_BYTES[datatype]);
  const { buffer } = bytes;
  switch (datatype) {
    case "FP32":
    case "FP64":
      return sink(bytes, VIEWS[datatype](buffer), (value) => value);
    case "FP16":
      return sink(bytes, new Uint16Array(buffer), fp16Bits);
    case "BOOL":
      return sink(bytes, bytes, (value) => (value !== 0 ? 1 : 0));
    case "INT64":
      return sink(bytes, new BigInt64Array(buffer), (value) => BigInt(whole(value, RANGES.INT64)));
    case "UINT64":
      return sink(bytes, new BigUint64Array(buffer), (value) => BigInt(whole(value, RANGES.UINT64)));
    default:
      return sink(bytes, VIEWS[datatype](buffer), (value) => whole(value, RANGES[datatype]));
  }
}

function sink<T>(bytes: Uint8Array, values: { [index: number]: T }, stored: (value: number) => T): NumberSink {
  return {
    bytes,
    set(index, value) {
      values[index] = stored(value);
    },
  };
}

function whole(value: number, [lowest, highest]: readonly [number, number]): number {
  return Math.trunc(Math.min(highest, Math.max(lowest, value))) || 0;
}
