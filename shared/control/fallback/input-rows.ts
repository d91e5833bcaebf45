/** A request's inputs as numbers, a row at a time. */

import type { Tensor, TensorSpec } from "../../protocol/tensor.ts";
import { hasRows } from "../../protocol/tensor-rows.ts";
import { halvesOf, type Numbers, numbersOf } from "../comparison/tensor-numbers.ts";
import { type InputRow, type RowSummary, RuleFailure } from "./expression-value.ts";

interface Input {
  readonly tensor: Tensor;
  /** Elements of a row. */
  readonly size: number;
  /** Whether it has a row for each row of the request. */
  readonly byRow: boolean;
  /** Once it was read. */
  numbers?: Numbers;
  /** Of the row that begins at an element. */
  summed?: { readonly at: number; readonly summary: RowSummary };
}

/** @returns 1 where no input has rows @throws RuleFailure where they differ */
export function rowCount(specs: readonly TensorSpec[], tensors: readonly Tensor[]): number {
  const counts = specs.filter(hasRows).map(({ name }) => tensors.find((one) => one.name === name)?.shape[0]);
  const [rows = 1] = counts;
  if (counts.some((count) => count !== rows)) throw new RuleFailure("the inputs differ in how many rows they have");
  return rows;
}

/** Moved from row to row. An input is read when it is first asked for, and summed up once a row. */
export class InputRows implements InputRow {
  readonly #inputs: ReadonlyMap<string, Input>;
  #row = 0;

  /** @param byRow whether the rows of an input that has some are seen one by one; else all of it at once */
  constructor(specs: readonly TensorSpec[], tensors: readonly Tensor[], rows: number, byRow: boolean) {
    this.#inputs = new Map(
      tensors.map((tensor) => {
        const divided = byRow && specs.some((spec) => spec.name === tensor.name && hasRows(spec));
        const count = countOf(tensor);
        return [tensor.name, { tensor, byRow: divided, size: divided && rows > 0 ? count / rows : count }];
      }),
    );
  }

  moveTo(row: number): this {
    this.#row = row;
    return this;
  }

  element(name: string, index: number): number {
    const input = this.#input(name);
    const value = index < input.size ? numbersIn(input)[this.#startOf(input) + index] : undefined;
    if (value === undefined) throw new RuleFailure("the rule names an element that the input does not have");
    return value;
  }

  size(name: string): number {
    return this.#input(name).size;
  }

  summary(name: string): RowSummary {
    const input = this.#input(name);
    const at = this.#startOf(input);
    if (input.summed?.at !== at) input.summed = { at, summary: summaryOf(numbersIn(input), at, input.size) };
    return input.summed.summary;
  }

  /** Elements of the whole input. */
  elements(name: string): number {
    return countOf(this.#input(name).tensor);
  }

  #input(name: string): Input {
    const input = this.#inputs.get(name);
    if (!input) throw new RuleFailure("the rule names an input that the request does not have");
    return input;
  }

  #startOf({ byRow, size }: Input): number {
    return byRow ? this.#row * size : 0;
  }
}

function numbersIn(input: Input): Numbers {
  input.numbers ??= asNumbers(input.tensor);
  return input.numbers;
}

function countOf({ shape }: Tensor): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** 64-bit integers beyond 2^53 as the nearest number. */
function asNumbers(tensor: Tensor): Numbers {
  const { datatype, bytes } = tensor;
  const count = countOf(tensor);
  if (datatype === "BYTES") throw new RuleFailure("the rule computes with an input of BYTES");
  if (datatype !== "INT64" && datatype !== "UINT64") return numbersOf(datatype, bytes, count);
  const { high, low } = halvesOf(datatype, bytes, count);
  return Float64Array.from({ length: count }, (_, at) => (high[2 * at + 1] ?? 0) * 2 ** 32 + (low[2 * at] ?? 0));
}

function summaryOf(numbers: Numbers, start: number, count: number): RowSummary {
  let [sum, min, max] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = start; at < start + count; at++) {
    const value = numbers[at] ?? Number.NaN;
    sum += value;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return { count, sum, min, max };
}
