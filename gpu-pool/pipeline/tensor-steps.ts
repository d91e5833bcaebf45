/** Steps that change a tensor in place, before a model or after it: `normalise`, `cast`, `reshape`. */
import { shapeText } from "../../shared/protocol/shape.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { type Lanes, lanesOf, planAxis } from "./axis.ts";
import { type NumericDatatype, numberSink, readNumbers } from "./numbers.ts";
import { numericType } from "./numeric-type.ts";
import type { CastSettings, NormaliseSettings, ReshapeSettings } from "./pipeline-schema.ts";
import { inSlices } from "./slices.ts";
import { inPlace, type Plan, type Site, type StepContext, type TensorType, WrongShape } from "./step.ts";

const LISTS = ["scale", "offset", "mean", "std"] as const;

/** Each element by its place along the axis: y = x * factor + shift. */
export interface Affine {
  readonly factors: Float64Array;
  readonly shifts: Float64Array;
}

/** y = (x * scale + offset - mean) / std; all lists have `size` numbers, or are one number for all. */
export function affineOf(settings: Pick<NormaliseSettings, (typeof LISTS)[number]>, size: number): Affine {
  const { scale, offset, mean, std } = settings;
  const at = (value: number | readonly number[], index: number) =>
    typeof value === "number" ? value : (value[index] ?? Number.NaN);
  const indices = Float64Array.from({ length: size }, (_, index) => index);
  return {
    factors: indices.map((index) => at(scale, index) / at(std, index)),
    shifts: indices.map((index) => (at(offset, index) - at(mean, index)) / at(std, index)),
  };
}

export function planNormalise(settings: NormaliseSettings, site: Site): Plan {
  const type = numericType(site, settings.tensor);
  const lists = LISTS.flatMap((field) => {
    const value = settings[field];
    return typeof value === "number" ? [] : [{ field, size: value.length }];
  });
  const zero = typeof settings.std === "number" ? settings.std === 0 : settings.std.includes(0);
  if (zero) site.fault("std", "must not be 0");
  let axis: number | undefined;
  if (lists.length > 0 && settings.axis === undefined) site.fault("axis", "must be said where there are lists");
  else if (type && settings.axis !== undefined) axis = planAxis(site, settings.axis, type);
  const size = lists[0]?.size ?? 1;
  for (const { field, size: own } of lists) {
    const along = axis === undefined ? -1 : (type?.shape[axis] ?? -1);
    if (along !== -1 && own !== along) site.fault(field, `has ${own} numbers, but dimension ${axis} has ${along}`);
    else if (own !== size) site.fault(field, `has ${own} numbers, another list ${size}`);
  }
  const affine = affineOf(settings, size);
  const along = lists.length > 0 ? axis : undefined;
  const planned: TensorType | undefined = type && { datatype: "FP32", shape: type.shape };
  return inPlace(settings.tensor, planned, (tensor, context) => normalise(tensor, affine, along, context));
}

async function normalise(
  tensor: Tensor,
  { factors, shifts }: Affine,
  axis: number | undefined,
  context: StepContext,
): Promise<Omit<Tensor, "name">> {
  const numbers = readNumbers(tensor);
  const { length } = numbers;
  const whole: Lanes = { outer: 1, size: 1, inner: length };
  const { size, inner } = axis === undefined ? whole : lanesOf(tensor.shape, axis);
  if (axis !== undefined && size !== factors.length) {
    throw new WrongShape(`'${tensor.name}' has ${size} values along dimension ${axis}, not ${factors.length}`);
  }
  const values = new Float32Array(length);
  await inSlices(length, context, (from, to) => {
    for (let at = from; at < to; ) {
      const lane = Math.floor(at / inner) % size;
      const end = Math.min(to, (Math.floor(at / inner) + 1) * inner);
      const factor = factors[lane] ?? 1;
      const shift = shifts[lane] ?? 0;
      for (; at < end; at++) values[at] = (numbers[at] ?? 0) * factor + shift;
    }
  });
  return { datatype: "FP32", shape: tensor.shape, bytes: new Uint8Array(values.buffer) };
}

export function planCast({ tensor: name, datatype }: CastSettings, site: Site): Plan {
  const type = numericType(site, name);
  return inPlace(name, type && { datatype, shape: type.shape }, (tensor, context) => cast(tensor, datatype, context));
}

async function cast(tensor: Tensor, datatype: NumericDatatype, context: StepContext): Promise<Omit<Tensor, "name">> {
  if (tensor.datatype === datatype) return tensor;
  const numbers = readNumbers(tensor);
  const sink = numberSink(datatype, numbers.length);
  await inSlices(numbers.length, context, (from, to) => {
    for (let at = from; at < to; at++) sink.set(at, numbers[at] ?? 0);
  });
  return { datatype, shape: tensor.shape, bytes: sink.bytes };
}

export function planReshape({ tensor: name, shape: [, ...row] }: ReshapeSettings, site: Site): Plan {
  const type = site.typeOf("tensor", name);
  if (!type) return inPlace(name, undefined, (tensor) => tensor);
  const [rows = -1, ...before] = type.shape;
  const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);
  const size = product(row);
  if (type.shape.length === 0) site.fault("tensor", `'${name}' has no dimensions, so no rows`);
  else if (!before.includes(-1) && product(before) !== size) {
    site.fault("shape", `has ${size} elements a row, but a row of '${name}' is ${shapeText(before)}`);
  }
  return inPlace(name, { datatype: type.datatype, shape: [rows, ...row] }, (tensor) => {
    const [count = 0, ...own] = tensor.shape;
    if (product(own) !== size)
      throw new WrongShape(`a row of '${name}' is ${shapeText(own)}, which is not ${size} elements`);
    return { ...tensor, shape: [count, ...row] };
  });
}
