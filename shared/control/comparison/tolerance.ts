/** How far an element may be from the stable version's: by no more than `absolute + relative * |stable|`. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/**
 * For versions that are different models: what a caller would hardly notice in a score or a price, far more than rounding moves. The
 * absolute part is for values about 0.
 */
export const DEFAULT_TOLERANCE: Tolerance = { absolute: 1e-6, relative: 0.05 };

export const EXACT: Tolerance = { absolute: 0, relative: 0 };
