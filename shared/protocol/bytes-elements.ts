import { WarmgateError } from "./errors.ts";

/**
 * Elements of a BYTES tensor in binary tensor data: a 4-byte little-endian unsigned length and that many bytes, one
 * after the other. Elements are any bytes; that they are UTF-8 is asked only where they become JSON strings.
 */

const LENGTH_BYTES = 4;

/** The binary form of the elements. */
export function encodeBytesElements(elements: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const element of elements) size += LENGTH_BYTES + element.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    bytes.set(element, at + LENGTH_BYTES);
    at += LENGTH_BYTES + element.length;
  }
  return bytes;
}

/**
 * The elements, as views of `bytes`. Nothing is sized by a length that was read: the list grows as elements are found.
 *
 * @param what names the tensor in the error text.
 * @throws WarmgateError `invalid_data` unless `bytes` holds exactly `expectedCount` elements
 */
export function decodeBytesElements(bytes: Uint8Array, expectedCount: number, what = "the tensor"): Uint8Array[] {
  const elements: Uint8Array[] = [];
  walkElements(bytes, expectedCount, what, (start, end) => elements.push(bytes.subarray(start, end)));
  return elements;
}

/**
 * Checks binary BYTES data without taking it apart.
 *
 * @throws WarmgateError `invalid_data` unless `bytes` holds exactly `expectedCount` elements
 */
export function checkBytesElements(bytes: Uint8Array, expectedCount: number, what: string): void {
  walkElements(bytes, expectedCount, what, () => {});
}

function walkElements(
  bytes: Uint8Array,
  expectedCount: number,
  what: string,
  visit: (start: number, end: number) => void,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let count = 0;
  while (at < bytes.length) {
    if (count === expectedCount) {
      throw new WarmgateError("invalid_data", `${what} has bytes left over after its ${expectedCount} elements`);
    }
    if (bytes.length - at < LENGTH_BYTES) {
      throw new WarmgateError("invalid_data", `${what} is cut off in the length of element ${count}`);
    }
    const start = at + LENGTH_BYTES;
    const end = start + view.getUint32(at, true);
    if (end > bytes.length) {
      throw new WarmgateError("invalid_data", `${what} is cut off in element ${count}`);
    }
    visit(start, end);
    at = end;
    count += 1;
  }
  if (count !== expectedCount) {
    throw new WarmgateError("invalid_data", `${what} must have ${expectedCount} elements, but has ${count}`);
  }
}
