/**
 * How a candidate's answer differs from the stable version's to the same request.
 *
 * Promises: never throws, whatever the answers hold; does not change them; looks at no more than `MOST_ELEMENTS` of each output, so its
 * worst case is some ten milliseconds an output, and memory for two arrays of that many numbers.
 *
 *     const { agrees, outputs } = compareOutputs(stable.outputs, candidate.outputs, DEFAULT_TOLERANCE);
 */

import { ELEMENT_BYTES } from "../../protocol/datatype.ts";
import type { Tensor } from "../../protocol/tensor.ts";
import { rowsOfEqualLongs, rowsWithin, rowsWithSameTop } from "./agreeing-rows.ts";
import { comparedPart } from "./compared-part.ts";
import { rowsOfEqualStrings } from "./equal-strings.ts";
import { LargestDifferences } from "./largest-differences.ts";
import { halvesOf, numbersOf } from "./tensor-numbers.ts";
import { EXACT, type Tolerance } from "./tolerance.ts";

/** One output of the stable answer, against the candidate's of that name. */
export type OutputComparison =
  /** The candidate has none of that name, or it has another datatype, another shape, or bytes that do not fit them. */
  | { readonly kind: "incomparable"; readonly name: string }
  /** Numbers: floats and integers. */
  | (RowsCompared & { readonly kind: "numbers"; readonly maxAbsolute: number; readonly maxRelative: number })
  /** What is equal or not: BOOL and BYTES. */
  | (RowsCompared & { readonly kind: "values" });

interface RowsCompared {
  readonly name: string;
  /** How many rows were compared (`ComparedPart`): of an output beyond `MOST_ELEMENTS` the first ones only. */
  readonly rows: number;
  /** Rows with the same top-1; of floats with nothing to choose from, rows within the tolerance; of all else, equal rows. */
  readonly agreeingRows: number;
}

export interface AnswerComparison {
  /** Whether every row of every output agrees. */
  readonly agrees: boolean;
  /** Of the stable answer's outputs, in their order. */
  readonly outputs: readonly OutputComparison[];
}

/**
 * Compares every output of the stable answer; what only the candidate has is left aside.
 *
 * A row is one index of the first dimension. Floats of rank 2 or more with 2 or more elements along the last axis are read as scores: a
 * row agrees when its top-1 does, wherever along the axes between. Other floats agree within the tolerance. Integers, BOOL and
 * BYTES agree when they are equal: they are labels, counts, token ids.
 */
export function compareOutputs(
  stable: readonly Tensor[],
  candidate: readonly Tensor[],
  tolerance: Tolerance,
): AnswerComparison {
  const outputs = stable.map((output) => {
    const other = candidate.find(({ name }) => name === output.name);
    return compareOutput(output, other, tolerance);
  });
  const agrees = outputs.every((output) => output.kind !== "incomparable" && output.agreeingRows === output.rows);
  return { agrees, outputs };
}

function compareOutput(stable: Tensor, candidate: Tensor | undefined, tolerance: Tolerance): OutputComparison {
  const { name, datatype } = stable;
  if (!candidate || !haveSameForm(stable, candidate)) return { kind: "incomparable", name };
  const part = comparedPart(stable.shape);
  const { rows } = part;
  if (datatype === "BYTES") {
    const agreeingRows = rowsOfEqualStrings(stable.bytes, candidate.bytes, part);
    return agreeingRows === undefined ? { kind: "incomparable", name } : { kind: "values", name, rows, agreeingRows };
  }
  const count = rows * part.elementsPerRow;
  const differences = new LargestDifferences();
  let agreeingRows: number;
  if (datatype === "INT64" || datatype === "UINT64") {
    const [a, b] = [halvesOf(datatype, stable.bytes, count), halvesOf(datatype, candidate.bytes, count)];
    agreeingRows = rowsOfEqualLongs(a, b, part, differences);
  } else {
    const [a, b] = [numbersOf(datatype, stable.bytes, count), numbersOf(datatype, candidate.bytes, count)];
    const isFloat = FLOATS.has(datatype);
    agreeingRows =
      isFloat && part.lastAxis >= 2
        ? rowsWithSameTop(a, b, part, differences)
        : rowsWithin(a, b, part, isFloat ? tolerance : EXACT, differences);
  }
  if (datatype === "BOOL") return { kind: "values", name, rows, agreeingRows };
  const { absolute, relative } = differences;
  return { kind: "numbers", name, rows, agreeingRows, maxAbsolute: absolute, maxRelative: relative };
}

const FLOATS: ReadonlySet<string> = new Set(["FP16", "BF16", "FP32", "FP64"]);

/** Whether datatypes and shapes are the same, and both have the bytes for them. */
function haveSameForm(a: Tensor, b: Tensor): boolean {
  if (a.datatype !== b.datatype) return false;
  if (a.shape.length !== b.shape.length || a.shape.some((size, axis) => size !== b.shape[axis])) return false;
  if (a.datatype === "BYTES") return true;
  const byteLength = a.shape.reduce((product, size) => product * size, ELEMENT_BYTES[a.datatype]);
  return a.bytes.byteLength === byteLength && b.bytes.byteLength === byteLength;
}
