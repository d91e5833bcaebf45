/**
 * How a model version's signature differs from the contract that callers were given, and whether they would notice. It
 * means the same in the repository, where a version comes in, and in routing, where it gets traffic.
 *
 * A difference is breaking when a caller written against the contract could be refused by the version, or could be
 * given an answer that the contract rules out. So what goes in may become wider and what comes out narrower:
 *
 *     input   FP32[-1,64] -> FP32[-1,-1]   additive       output  FP32[-1,-1] -> FP32[-1,10]   additive
 *     input   FP32[-1,-1] -> FP32[-1,64]   breaking       output  FP32[-1,10] -> FP32[-1,-1]   breaking
 *
 * A further input is breaking, because callers don't send it; a further output is additive. The order of tensors means
 * nothing, and names are unique among inputs and among outputs.
 */
import { quoted } from "./envelope.ts";
import { shapeText } from "./shape.ts";
import type { ModelSignature, TensorSpec } from "./tensor.ts";

/** What a tensor is, apart from its name. */
export type TensorForm = Omit<TensorSpec, "name">;

interface Difference {
  readonly tensor: "input" | "output";
  readonly name: string;
  readonly breaking: boolean;
}

export const DIFFERENCE_KINDS = [
  ...(["input_removed", "output_removed", "input_added", "output_added"] as const),
  ...(["datatype_changed", "rank_changed", "dimension_changed"] as const),
] as const satisfies readonly SignatureDifference["kind"][];

/**
 * One tensor that differs. A changed one has the kind of its first change of datatype, rank and dimensions; `before`
 * and `after` show all of them.
 */
export type SignatureDifference =
  | (Difference & { readonly kind: "input_removed" | "output_removed"; readonly before: TensorForm })
  | (Difference & { readonly kind: "input_added" | "output_added"; readonly after: TensorForm })
  | (Difference & {
      readonly kind: "datatype_changed" | "rank_changed" | "dimension_changed";
      readonly before: TensorForm;
      readonly after: TensorForm;
    });

/**
 * What differs, one entry a tensor: inputs, then outputs; of each what the contract has, then what only the version
 * has.
 *
 * @param contract what callers were given
 * @param version what is to serve them
 */
export function signatureDifferences(
  contract: ModelSignature,
  version: ModelSignature,
): readonly SignatureDifference[] {
  return [
    ...tensorDifferences("input", contract.inputs, version.inputs),
    ...tensorDifferences("output", contract.outputs, version.outputs),
  ];
}

/** Whether callers written against the contract can be served without noticing. */
export function isCompatible(differences: readonly SignatureDifference[]): boolean {
  return !differences.some(({ breaking }) => breaking);
}

/** One line for people: `input 'pixels': FP32[-1,64] becomes FP32[-1,128]: breaking`. */
export function describeDifference(difference: SignatureDifference): string {
  const tensor = `${difference.tensor} ${quoted(difference.name)}`;
  const verdict = difference.breaking ? "breaking" : "additive";
  switch (difference.kind) {
    case "input_removed":
    case "output_removed":
      return `${tensor}: ${formText(difference.before)} is gone: ${verdict}`;
    case "input_added":
    case "output_added":
      return `${tensor}: ${formText(difference.after)} is new: ${verdict}`;
    default:
      return `${tensor}: ${formText(difference.before)} becomes ${formText(difference.after)}: ${verdict}`;
  }
}

function tensorDifferences(
  tensor: "input" | "output",
  contract: readonly TensorSpec[],
  version: readonly TensorSpec[],
): SignatureDifference[] {
  const after = byName(version);
  const before = byName(contract);
  const removedOrChanged = contract.flatMap((spec): SignatureDifference[] => {
    const counterpart = after.get(spec.name);
    if (counterpart) return changes(tensor, spec, counterpart);
    return [{ kind: `${tensor}_removed` as const, tensor, name: spec.name, before: formOf(spec), breaking: true }];
  });
  const added = version
    .filter(({ name }) => !before.has(name))
    .map((spec): SignatureDifference => {
      const breaking = tensor === "input";
      return { kind: `${tensor}_added` as const, tensor, name: spec.name, after: formOf(spec), breaking };
    });
  return [...removedOrChanged, ...added];
}

function changes(tensor: "input" | "output", before: TensorSpec, after: TensorSpec): SignatureDifference[] {
  const change = { tensor, name: before.name, before: formOf(before), after: formOf(after) };
  if (before.datatype !== after.datatype) return [{ kind: "datatype_changed", ...change, breaking: true }];
  if (before.shape.length !== after.shape.length) return [{ kind: "rank_changed", ...change, breaking: true }];
  if (before.shape.every((dimension, axis) => dimension === after.shape[axis])) return [];
  // What is given must stay within what is taken: callers give inputs, the version gives outputs.
  const [given, taken] = tensor === "input" ? [before, after] : [after, before];
  return [{ kind: "dimension_changed", ...change, breaking: !isWithin(given.shape, taken.shape) }];
}

/** Whether every shape that the one spec allows the other one does, too; their ranks are equal. */
function isWithin(given: readonly number[], taken: readonly number[]): boolean {
  return taken.every((dimension, axis) => dimension === -1 || dimension === given[axis]);
}

function byName(specs: readonly TensorSpec[]): ReadonlyMap<string, TensorSpec> {
  return new Map(specs.map((spec) => [spec.name, spec]));
}

function formOf({ datatype, shape }: TensorSpec): TensorForm {
  return { datatype, shape };
}

function formText({ datatype, shape }: TensorForm): string {
  return `${datatype}${shapeText(shape)}`;
}
