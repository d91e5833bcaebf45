import { shapeText } from "../../shared/protocol/shape.ts";
import type { Site, TensorType } from "./step.ts";

/** How a tensor's elements lie along one dimension: element i of lane (o, n) is at `o * size * inner + i * inner + n`. */
export interface Lanes {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
}

/** @param axis from 0 */
export function lanesOf(shape: readonly number[], axis: number): Lanes {
  const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);
  return { outer: product(shape.slice(0, axis)), size: shape[axis] ?? 1, inner: product(shape.slice(axis + 1)) };
}

/** Calls `visit` with where each lane begins; its elements are `inner` apart. */
export function eachLane({ outer, size, inner }: Lanes, visit: (start: number, lane: number) => void): void {
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < inner; n++) visit(o * size * inner + n, o * inner + n);
  }
}

/**
 * An axis as a step says it, which may count from the end, as one from 0.
 *
 * @returns undefined, with the fault told, when there is none or it is the batch
 */
export function planAxis(site: Site, axis: number, { shape }: TensorType): number | undefined {
  const whole = axis < 0 ? axis + shape.length : axis;
  if (whole < 0 || whole >= shape.length) {
    site.fault("axis", `is ${axis}, but the tensor's shape is ${shapeText(shape)}`);
  } else if (whole === 0 && site.batched) {
    site.fault("axis", "is the batch, whose rows belong to different requests");
  } else return whole;
  return undefined;
}
