/**
 * Binary tensor data is little-endian, and typed arrays have the byte order of the machine. Every machine that Node,
 * Workers and CUDA run on is little-endian; on any other one, refusing to start beats answering with swapped bytes.
 */
if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
  throw new Error("the tensor codec needs a little-endian machine");
}

/** The same bytes at an offset where a typed array of `elementBytes` wide elements may begin; copied only if need be. */
export function aligned(bytes: Uint8Array, elementBytes: number): Uint8Array {
  return bytes.byteOffset % elementBytes === 0 ? bytes : new Uint8Array(bytes);
}
