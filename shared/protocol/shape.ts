import { WarmgateError } from "./errors.ts";
import { type CodecLimits, DEFAULT_CODEC_LIMITS } from "./limits.ts";

/**
 * How many elements a shape holds; `[]` is a scalar and holds 1.
 *
 * The product of the dimensions that are not 0 must stay within the limit too, so that no partial product (a stride,
 * a row size) can overflow later: `[2 ** 53, 0]` is refused although it holds nothing.
 *
 * @param what names the tensor in the error text.
 * @throws WarmgateError `invalid_shape`
 */
export function elementCount(shape: readonly number[], limits: CodecLimits, what = "the tensor"): number {
  if (shape.length > limits.maxRank) {
    throw new WarmgateError("invalid_shape", `${what} has ${shape.length} dimensions, more than ${limits.maxRank}`);
  }
  let nonZero = 1;
  let empty = false;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0 || Object.is(dimension, -0)) {
      throw new WarmgateError("invalid_shape", `${what} has a dimension that is not a whole number from 0`);
    }
    if (dimension === 0) empty = true;
    // Both factors are checked to be at most 2^53, so a product beyond the limit can lose digits but not the verdict.
    else nonZero *= dimension;
    if (nonZero > limits.maxElements) {
      throw new WarmgateError("invalid_shape", `${what} has a shape of more than ${limits.maxElements} elements`);
    }
  }
  return empty ? 0 : nonZero;
}

/**
 * Reads `shape` from parsed JSON. Dimensions are checked by {@link elementCount}.
 *
 * @throws WarmgateError `invalid_shape`
 */
export function readShape(value: unknown, what: string, limits: CodecLimits = DEFAULT_CODEC_LIMITS): readonly number[] {
  if (!Array.isArray(value)) throw new WarmgateError("invalid_shape", `${what} must have a shape: an array of numbers`);
  const list: readonly unknown[] = value;
  if (list.length > limits.maxRank) {
    throw new WarmgateError("invalid_shape", `${what} has ${list.length} dimensions, more than ${limits.maxRank}`);
  }
  if (!isNumbers(list)) {
    throw new WarmgateError("invalid_shape", `${what} has a dimension that is not a whole number from 0`);
  }
  return list;
}

export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(",")}]`;
}

function isNumbers(list: readonly unknown[]): list is readonly number[] {
  for (const item of list) if (typeof item !== "number") return false;
  return true;
}
