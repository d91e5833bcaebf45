import { wrongElement } from "./element-error.ts";
import { WarmgateError } from "./errors.ts";
import type { Row } from "./json-rows.ts";

/** Hands out the rows read again, with long integers as strings of digits; costs a second parse of the whole body. */
export type ExactRows = () => readonly Row[];

type LongDatatype = "INT64" | "UINT64";

const WORD = 2 ** 32;
const RANGE: Readonly<Record<LongDatatype, { readonly min: bigint; readonly max: bigint }>> = {
  INT64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  UINT64: { min: 0n, max: 2n ** 64n - 1n },
};

/**
 * 64-bit integers from JSON, exact to the digit. Token ids and counts stay below 2^53 and are packed as two 32-bit words,
 * several times faster than by bigint; the first number beyond sends the tensor the exact way.
 *
 * @throws WarmgateError `invalid_data`, `non_finite`
 */
export function packInt64(
  datatype: LongDatatype,
  rows: readonly Row[],
  count: number,
  exactRows: ExactRows,
  what: string,
): Uint8Array {
  const words = new Uint32Array(count * 2);
  let at = 0;
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (typeof value !== "number" || !Number.isInteger(value)) throw wrongElement(value, datatype, at, what);
      if (!Number.isSafeInteger(value)) return packExactly(datatype, rows, count, exactRows(), what);
      if (value < 0 && datatype === "UINT64") throw wrongElement(value, datatype, at, what);
      const high = Math.floor(value / WORD);
      words[at * 2] = value - high * WORD;
      words[at * 2 + 1] = high;
      at += 1;
    }
  }
  return new Uint8Array(words.buffer);
}

function packExactly(
  datatype: LongDatatype,
  rows: readonly Row[],
  count: number,
  exactRows: readonly Row[],
  what: string,
): Uint8Array {
  const { min, max } = RANGE[datatype];
  const out = new BigUint64Array(count);
  let at = 0;
  for (const [index, row] of rows.entries()) {
    const exactRow = exactRows[index] ?? [];
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (typeof value !== "number" || !Number.isInteger(value)) throw wrongElement(value, datatype, at, what);
      const integer = Number.isSafeInteger(value) ? BigInt(value) : exactInteger(exactRow[i]);
      if (integer === undefined && Math.abs(value) < 2 ** 64) {
        throw new WarmgateError("invalid_data", `element ${at} of ${what} must be written in plain digits`);
      }
      if (integer === undefined || integer < min || integer > max) throw wrongElement(value, datatype, at, what);
      // Stored modulo 2^64, which is two's complement for the negative ones.
      out[at++] = integer;
    }
  }
  return new Uint8Array(out.buffer);
}

/** Undefined for a number with a fraction or an exponent: its last digits are gone, and guessing them is no answer. */
function exactInteger(exact: unknown): bigint | undefined {
  return typeof exact === "string" ? BigInt(exact) : undefined;
}
