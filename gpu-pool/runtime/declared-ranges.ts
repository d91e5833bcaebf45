/** The `ranges` of a `model.json`, put where the model's inputs are. */
import { quoted } from "../../shared/protocol/envelope.ts";
import { holdsElement } from "../../shared/protocol/number-range.ts";
import type { TensorSpec } from "../../shared/protocol/tensor.ts";
import { canHaveRange, type ValueRange } from "../../shared/protocol/value-range.ts";

/** Input -> the values that callers may send. */
export type DeclaredRanges = Readonly<Record<string, ValueRange>>;

/**
 * @param inputs as the model's file has them
 * @returns the same, with the ranges that are declared for them
 * @throws Error naming everything in the declaration that does not fit
 */
export function withRanges(inputs: readonly TensorSpec[], ranges: DeclaredRanges): readonly TensorSpec[] {
  const faults = Object.entries(ranges).flatMap(([name, range]) => {
    const spec = inputs.find((input) => input.name === name);
    return spec ? faultsOf(spec, range) : [`there is no input ${quoted(name)}`];
  });
  if (faults.length > 0) throw new Error(`ranges do not fit the model: ${faults.join("; ")}`);
  return inputs.map((spec) => (Object.hasOwn(ranges, spec.name) ? { ...spec, range: ranges[spec.name] } : spec));
}

function faultsOf({ name, datatype }: TensorSpec, { min, max }: ValueRange): string[] {
  const input = `input ${quoted(name)} is ${datatype}`;
  if (!canHaveRange(datatype)) return [`${input}, which has no ranges`];
  return [min, max].flatMap((bound) =>
    bound === undefined || holdsElement(datatype, bound) ? [] : [`${input}, which cannot hold ${bound}`],
  );
}
