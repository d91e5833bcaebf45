/** Steps after a model that decide: `topK`, `argmax`, `threshold`. They leave their tensor as it is and add others. */
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { eachLane, lanesOf, planAxis } from "./axis.ts";
import { classesAlong, type Labels, planLabels } from "./labels.ts";
import { isFloat, readNumbers } from "./numbers.ts";
import { numericType } from "./numeric-type.ts";
import type { ArgmaxSettings, ThresholdSettings, TopKSettings } from "./pipeline-schema.ts";
import { adding, type Plan, type Site, type TensorType, WrongShape } from "./step.ts";

export function planTopK(settings: TopKSettings, site: Site): Plan {
  const { tensor, k } = settings;
  const type = numericType(site, tensor);
  const axis = type && planAxis(site, -1, type);
  const classes = classesAlong(axis, type);
  if (classes !== -1 && k > classes) site.fault("k", `is ${k}, but there are ${classes} classes`);
  if (settings.label === settings.score) site.fault("score", "has the name of the label");
  const labels = planLabels(settings.labels, classes, site);
  const typed = (datatype: TensorType["datatype"]) => type && { datatype, shape: [...type.shape.slice(0, -1), k] };
  const writes = [
    { name: settings.label, type: typed(labels.datatype) },
    { name: settings.score, type: typed(type && isFloat(type.datatype) ? type.datatype : "FP32") },
  ];
  return adding(tensor, writes, (values) => topK(values, k, labels));
}

/** The labels and the scores; scores of floats keep their datatype and their very bits. */
export function topK(tensor: Tensor, k: number, labels: Labels): readonly Omit<Tensor, "name">[] {
  const numbers = readNumbers(tensor);
  const lanes = lanesOf(tensor.shape, tensor.shape.length - 1);
  const { outer, size } = lanes;
  if (size < k) throw new WrongShape(`'${tensor.name}' has ${size} classes, fewer than ${k}`);
  labels.checkCount(size, tensor.name);
  const positions: number[] = [];
  const best = new Int32Array(k);
  eachLane(lanes, (start) => {
    largest(numbers, start, size, best);
    for (const position of best) positions.push(position);
  });
  const shape = [...tensor.shape.slice(0, -1), k];
  const source = (index: number) => Math.floor(index / k) * size + (positions[index] ?? 0);
  const scores = scoresAt(tensor, numbers, outer * k, source);
  return [labels.tensor(positions, shape), { ...scores, shape }];
}

function scoresAt(
  { datatype, bytes }: Tensor,
  numbers: ArrayLike<number>,
  count: number,
  source: (index: number) => number,
) {
  if (!isFloat(datatype)) {
    const scores = Float32Array.from({ length: count }, (_, index) => numbers[source(index)] ?? 0);
    return { datatype: "FP32" as const, bytes: new Uint8Array(scores.buffer) };
  }
  const width = bytes.length / numbers.length;
  const picked = new Uint8Array(count * width);
  for (let index = 0; index < count; index++) {
    const from = source(index) * width;
    picked.set(bytes.subarray(from, from + width), index * width);
  }
  return { datatype, bytes: picked };
}

/** Fills `best` with the positions of the largest, in order; a position that comes first stays before its equals. */
function largest(numbers: ArrayLike<number>, start: number, size: number, best: Int32Array): void {
  const k = best.length;
  const valueAt = (position: number) => rank(numbers[start + position]);
  for (let position = 0, filled = 0; position < size; position++) {
    const value = valueAt(position);
    if (filled === k && !(value > valueAt(best[k - 1] ?? 0))) continue;
    let at = filled === k ? k - 1 : filled++;
    for (; at > 0 && value > valueAt(best[at - 1] ?? 0); at--) best[at] = best[at - 1] ?? 0;
    best[at] = position;
  }
}

/** NaN is below everything but itself: a model that answers it must not win with it. */
function rank(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
}

export function planArgmax(settings: ArgmaxSettings, site: Site): Plan {
  const { tensor, output } = settings;
  const type = numericType(site, tensor);
  const axis = type && planAxis(site, settings.axis, type);
  const labels = planLabels(settings.labels, classesAlong(axis, type), site);
  const planned =
    type && axis !== undefined ? { datatype: labels.datatype, shape: type.shape.toSpliced(axis, 1) } : undefined;
  return adding(tensor, [{ name: output, type: planned }], (values) => [argmax(values, axis ?? 0, labels)]);
}

export function argmax(tensor: Tensor, axis: number, labels: Labels): Omit<Tensor, "name"> {
  const numbers = readNumbers(tensor);
  const lanes = lanesOf(tensor.shape, axis);
  if (lanes.size === 0) throw new WrongShape(`'${tensor.name}' has no values along dimension ${axis}`);
  labels.checkCount(lanes.size, tensor.name);
  const positions: number[] = [];
  eachLane(lanes, (start, lane) => {
    let best = 0;
    for (let index = 1; index < lanes.size; index++) {
      if (rank(numbers[start + index * lanes.inner]) > rank(numbers[start + best * lanes.inner])) best = index;
    }
    positions[lane] = best;
  });
  return labels.tensor(positions, tensor.shape.toSpliced(axis, 1));
}

export function planThreshold({ tensor, at, output }: ThresholdSettings, site: Site): Plan {
  const type = numericType(site, tensor);
  return adding(tensor, [{ name: output, type: type && { datatype: "BOOL", shape: type.shape } }], (values) => {
    const numbers = readNumbers(values);
    const bytes = Uint8Array.from({ length: numbers.length }, (_, index) => ((numbers[index] ?? 0) >= at ? 1 : 0));
    return [{ datatype: "BOOL", shape: values.shape, bytes }];
  });
}
