/** Whether callers of one signature can be served by another: the verdict that routes are held to, for people and programs. */
import { shapeText } from "../../../shared/protocol/shape.ts";
import {
  isCompatible,
  type SignatureDifference,
  signatureDifferences,
  type TensorForm,
} from "../../../shared/protocol/signature-difference.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import { type Column, table } from "../admin/table.ts";

export interface ContractDifference {
  readonly kind: SignatureDifference["kind"];
  readonly side: "input" | "output";
  /** The tensor's name. */
  readonly tensor: string;
  /** Null: it was not there. */
  readonly from: TensorForm | null;
  /** Null: it is there no more. */
  readonly to: TensorForm | null;
  readonly breaking: boolean;
}

/** What `models diff --json` prints; fields are added and never change their meaning. */
export interface ContractCheck {
  readonly compatible: boolean;
  readonly differences: readonly ContractDifference[];
}

/**
 * @param contract what callers were given
 * @param version what is to serve them
 */
export function checkContract(contract: ModelSignature, version: ModelSignature): ContractCheck {
  const differences = signatureDifferences(contract, version);
  return { compatible: isCompatible(differences), differences: differences.map(contractDifference) };
}

function contractDifference(difference: SignatureDifference): ContractDifference {
  const { kind, tensor: side, name, breaking } = difference;
  const from = "before" in difference ? difference.before : null;
  const to = "after" in difference ? difference.after : null;
  return { kind, side, tensor: name, from, to, breaking };
}

const COLUMNS: readonly Column<ContractDifference>[] = [
  { title: "TENSOR", cell: ({ side, tensor }) => `${side} ${tensor}` },
  { title: "CHANGE", cell: ({ kind }) => kind.replace(/^(?:in|out)put_/, "").replace("_", " ") },
  { title: "FROM", cell: ({ from }) => formText(from) },
  { title: "TO", cell: ({ to }) => formText(to) },
  { title: "VERDICT", cell: ({ breaking }) => (breaking ? "breaking" : "additive") },
];

export function describeCheck({ differences }: ContractCheck): string {
  if (differences.length === 0) return "No differences: the same inputs and outputs.";
  const breaking = differences.filter((difference) => difference.breaking).length;
  const verdict =
    breaking === 0
      ? "Compatible: callers of the first can be served by the second."
      : `Not compatible: ${breaking} of ${differences.length} differences would break callers of the first.`;
  return `${table(COLUMNS, differences)}\n\n${verdict}`;
}

function formText(form: TensorForm | null): string {
  return form === null ? "" : `${form.datatype}${shapeText(form.shape)}`;
}
