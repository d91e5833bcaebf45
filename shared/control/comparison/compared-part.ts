/** An output of a large model may hold hundreds of megabytes; what is compared of it takes milliseconds. */
export const MOST_ELEMENTS = 1_000_000;

/** Which part of a tensor is compared. It begins at the tensor's first byte and has no gaps. */
export interface ComparedPart {
  /** Along the first dimension; of a vector each element is a row, a scalar is one. */
  readonly rows: number;
  readonly elementsPerRow: number;
  /** Along the last axis: a row is that many elements, over and over. 1 up to rank 1. */
  readonly lastAxis: number;
}

/**
 * Whole rows, from the first on, of at most `MOST_ELEMENTS` elements together. A single row that is larger is stood for by its
 * first elements.
 */
export function comparedPart(shape: readonly number[]): ComparedPart {
  const [rows = 1, ...inner] = shape;
  const elementsPerRow = inner.reduce((product, size) => product * size, 1);
  const lastAxis = Math.min(MOST_ELEMENTS, inner.at(-1) ?? 1);
  if (elementsPerRow <= MOST_ELEMENTS) {
    return { rows: Math.min(rows, Math.floor(MOST_ELEMENTS / Math.max(1, elementsPerRow))), elementsPerRow, lastAxis };
  }
  const wholeAxes = Math.floor(MOST_ELEMENTS / lastAxis) * lastAxis;
  return { rows: Math.min(rows, 1), elementsPerRow: wholeAxes, lastAxis };
}
