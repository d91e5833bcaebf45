/** Steps after a model that make probabilities of what it answers: `softmax`, `sigmoid`. */
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { eachLane, lanesOf, planAxis } from "./axis.ts";
import { numberSink, readNumbers } from "./numbers.ts";
import { floatType } from "./numeric-type.ts";
import { inPlace, type Plan, type Site } from "./step.ts";

export function planSoftmax(settings: { readonly tensor: string; readonly axis: number }, site: Site): Plan {
  const type = floatType(site, settings.tensor);
  const axis = type && planAxis(site, settings.axis, type);
  return inPlace(settings.tensor, type, (tensor) => softmax(tensor, axis ?? 0));
}

export function planSigmoid({ tensor: name }: { readonly tensor: string }, site: Site): Plan {
  return inPlace(name, floatType(site, name), sigmoid);
}

/** exp(x - max) / sum, so that no large value becomes Infinity; in doubles, whatever the tensor is. */
export function softmax(tensor: Tensor, axis: number): Tensor {
  const numbers = readNumbers(tensor);
  const sink = floats(tensor, numbers.length);
  const lanes = lanesOf(tensor.shape, axis);
  const { size, inner } = lanes;
  const powers = new Float64Array(size);
  eachLane(lanes, (start) => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < size; index++) largest = Math.max(largest, numbers[start + index * inner] ?? 0);
    let sum = 0;
    for (let index = 0; index < size; index++) {
      const value = numbers[start + index * inner] ?? 0;
      // What is largest counts 1 also where it is Infinity, less which it would be NaN.
      const power = value === largest ? 1 : Math.exp(value - largest);
      powers[index] = power;
      sum += power;
    }
    for (let index = 0; index < size; index++) sink.set(start + index * inner, (powers[index] ?? 0) / sum);
  });
  return { ...tensor, bytes: sink.bytes };
}

/** 1 / (1 + exp(-x)), by the exponential that cannot overflow. */
export function sigmoid(tensor: Tensor): Tensor {
  const numbers = readNumbers(tensor);
  const sink = floats(tensor, numbers.length);
  for (let index = 0; index < numbers.length; index++) {
    const value = numbers[index] ?? 0;
    const power = Math.exp(-Math.abs(value));
    sink.set(index, value >= 0 ? 1 / (1 + power) : power / (1 + power));
  }
  return { ...tensor, bytes: sink.bytes };
}

function floats({ datatype }: Tensor, length: number) {
  return numberSink(datatype === "FP64" || datatype === "FP16" ? datatype : "FP32", length);
}
