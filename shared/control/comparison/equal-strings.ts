import type { ComparedPart } from "./compared-part.ts";

/**
 * Rows of BYTES elements that are equal in every element.
 *
 * @returns undefined when either does not hold as many elements
 */
export function rowsOfEqualStrings(
  stable: Uint8Array,
  candidate: Uint8Array,
  { rows, elementsPerRow }: ComparedPart,
): number | undefined {
  const [a, b] = [new Elements(stable), new Elements(candidate)];
  let agreeing = 0;
  for (let row = 0; row < rows; row++) {
    let equal = true;
    for (let index = 0; index < elementsPerRow; index++) {
      if (!a.next() || !b.next()) return undefined;
      equal &&= a.isEqual(b);
    }
    if (equal) agreeing += 1;
  }
  return agreeing;
}

const LENGTH_BYTES = 4;

/** Goes from element to element without making anything for each. */
class Elements {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #start = 0;
  #end = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @returns whether there is a next one */
  next(): boolean {
    this.#start = this.#end + LENGTH_BYTES;
    if (this.#start > this.#bytes.length) return false;
    this.#end = this.#start + this.#view.getUint32(this.#end, true);
    return this.#end <= this.#bytes.length;
  }

  isEqual(other: Elements): boolean {
    const length = this.#end - this.#start;
    if (length !== other.#end - other.#start) return false;
    for (let at = 0; at < length; at++) {
      if (this.#bytes[this.#start + at] !== other.#bytes[other.#start + at]) return false;
    }
    return true;
  }
}
