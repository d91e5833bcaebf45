/** How a contract and a version differ, as people read it. */
import type { ContractCheck, ContractDifference } from "../../../shared/protocol/contract-check.ts";
import { shapeText } from "../../../shared/protocol/shape.ts";
import type { TensorForm } from "../../../shared/protocol/signature-difference.ts";
import { type Column, table } from "../admin/table.ts";

const COLUMNS: readonly Column<ContractDifference>[] = [
  { title: "TENSOR", cell: ({ side, tensor }) => `${side} ${tensor}` },
  { title: "CHANGE", cell: ({ kind }) => kind.replace(/^(?:in|out)put_/, "").replace("_", " ") },
  { title: "FROM", cell: ({ from }) => formText(from) },
  { title: "TO", cell: ({ to }) => formText(to) },
  { title: "VERDICT", cell: ({ breaking }) => (breaking ? "breaking" : "additive") },
];

/** @param names what the table's two sides are called in the verdict */
export function describeCheck(
  { differences }: ContractCheck,
  names = { contract: "the first", version: "the second" },
): string {
  if (differences.length === 0) return "No differences: the same inputs and outputs.";
  const breaking = differences.filter((difference) => difference.breaking).length;
  const verdict =
    breaking === 0
      ? `Compatible: callers of ${names.contract} can be served by ${names.version}.`
      : `Not compatible: ${breaking} of ${differences.length} differences would break callers of ${names.contract}.`;
  return `${table(COLUMNS, differences)}\n\n${verdict}`;
}

function formText(form: TensorForm | null): string {
  return form === null ? "" : `${form.datatype}${shapeText(form.shape)}`;
}
