import type { Tensor } from "./tensor.ts";

/** Index of the first NaN or Infinity of a floating-point tensor; undefined when there is none. */
export function firstNonFinite({ datatype, bytes }: Tensor): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const find = (width: number, finite: (at: number) => boolean): number | undefined => {
    for (let at = 0; at < bytes.byteLength; at += width) if (!finite(at)) return at / width;
    return undefined;
  };
  switch (datatype) {
    case "FP32":
      return find(4, (at) => Number.isFinite(view.getFloat32(at, true)));
    case "FP64":
      return find(8, (at) => Number.isFinite(view.getFloat64(at, true)));
    // All bits of the exponent set: 5 of them in FP16, 8 in BF16.
    case "FP16":
      return find(2, (at) => (view.getUint16(at, true) & 0x7c00) !== 0x7c00);
    case "BF16":
      return find(2, (at) => (view.getUint16(at, true) & 0x7f80) !== 0x7f80);
    default:
      return undefined;
  }
}
