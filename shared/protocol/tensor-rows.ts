/** What counts as a row of a tensor. */
import type { TensorSpec } from "./tensor.ts";

/** Whether it has a row for each row of the request: its first dimension varies. */
export function hasRows({ shape }: TensorSpec): boolean {
  return shape[0] === -1;
}

/** @param byRow whether the rows of a tensor that has some are meant one by one; else all of it is one row */
export function rowShape(spec: TensorSpec, byRow: boolean): readonly number[] {
  return byRow && hasRows(spec) ? spec.shape.slice(1) : spec.shape;
}

/** How many elements a declared shape holds; undefined where that varies. */
export function fixedCount(shape: readonly number[]): number | undefined {
  return shape.includes(-1) ? undefined : shape.reduce((product, dimension) => product * dimension, 1);
}
