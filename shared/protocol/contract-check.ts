/** Whether callers of one signature can be served by another: the verdict that routes are held to, for people and programs. */
import {
  isCompatible,
  type SignatureDifference,
  signatureDifferences,
  type TensorForm,
} from "./signature-difference.ts";
import type { ModelSignature } from "./tensor.ts";

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

/** What `models diff --json` and `routes check --json` print; fields are added and never change their meaning. */
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
