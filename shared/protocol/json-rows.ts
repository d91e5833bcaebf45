import { WarmgateError } from "./errors.ts";
import { shapeText } from "./shape.ts";

export type Row = readonly unknown[];

/**
 * Brings JSON tensor data into rows: one row when it is flat, the innermost arrays when it is nested to the shape.
 * Elements are not looked at, only counted. After this the rows hold exactly `count` elements, so whoever allocates for
 * them allocates for data that really came, not for what a shape claims.
 *
 * @param count the number of elements of `shape`
 * @throws WarmgateError `invalid_data` when the count is wrong or the nesting is not exactly the shape's
 */
export function rowsOf(data: unknown, shape: readonly number[], count: number, what: string): readonly Row[] {
  if (!Array.isArray(data)) throw new WarmgateError("invalid_data", `data of ${what} must be an array`);
  const list: Row = data;
  if (shape.length > 1 && Array.isArray(list[0])) {
    const rows: Row[] = [];
    collectRows(list, shape, 0, what, rows);
    return rows;
  }
  if (list.length !== count) {
    throw new WarmgateError(
      "invalid_data",
      `data of ${what} has ${list.length} elements, but shape ${shapeText(shape)} holds ${count}`,
    );
  }
  return [list];
}

/** Recursion ends at the shape's last dimension, so it is as deep as a shape may be and no deeper. */
function collectRows(list: Row, shape: readonly number[], axis: number, what: string, rows: Row[]): void {
  if (list.length !== shape[axis]) {
    throw new WarmgateError(
      "invalid_data",
      `data of ${what} has ${list.length} items along dimension ${axis}, where shape ${shapeText(shape)} has ${shape[axis]}`,
    );
  }
  if (axis === shape.length - 1) {
    rows.push(list);
    return;
  }
  for (const item of list) {
    if (!Array.isArray(item)) {
      throw new WarmgateError("invalid_data", `data of ${what} is not nested evenly to shape ${shapeText(shape)}`);
    }
    collectRows(item, shape, axis + 1, what, rows);
  }
}
